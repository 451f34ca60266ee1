"""What one request says about its visitor: IP address, place, network, device, consent, class of traffic.

Everything here works in memory: while a click waits, no name is resolved, no file is read and no server is asked.
"""
