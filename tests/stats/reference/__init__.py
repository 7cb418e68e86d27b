"""What each question about events answers, counted out in plain Python, and made-up traffic to ask about.

Slow and obvious on purpose: the engines' SQL is held to it, so it shares none of their code.
"""
