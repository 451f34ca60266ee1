"""What every package needs: models, click fields, errors, clock, money, settings, crypto, logging."""
