"""What alerter costs: each part measures a floor or peer and alerter in the same run, on data and a server of its own."""
