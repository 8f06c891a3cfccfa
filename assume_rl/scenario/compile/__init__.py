"""Compile a validated scenario to tensors, operators, markets and the plan of auctions."""
