"""Network → how bias, gamma and beta relate, and what follows from it.

The short report needs ``pairs``, ``relate`` and ``answer``; the full account is ``detail``:
what becomes of a bias (``bias_split``), one vector after all (``one_vector``, ``sphere``,
``frozen``), what units can do (``lifted``, ``box``, ``cone``, ``unit_ranges``, ``reach``,
``units``), independent numbers (``symmetries``, ``independent``), sensitivity (``gradients``,
``sensitivity``, ``lipschitz``, ``conditioning``), trained or not (``signs``, ``copies``).
"""
