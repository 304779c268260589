"""What alerter costs: every part measures a floor or peer and alerter in the same run, on its own data and server."""
