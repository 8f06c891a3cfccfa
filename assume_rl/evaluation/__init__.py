"""How good what was learned is: best responses and regret."""
