"""What is known of a visitor from one request: address, place, network, device, wishes, kind of traffic.

Everything here works in memory: no name is resolved, no file read and nothing asked while a click waits.
"""
