"""Network → how bias, gamma and beta relate, and what follows from it.

The short report needs ``question``; ``detail`` adds what values can be (``ranges``), how fast
outputs change (``sensitivity``) and which changes none of them notices (``freedom``).
"""
