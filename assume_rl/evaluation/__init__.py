"""How good learned policies are: best responses and regret."""
