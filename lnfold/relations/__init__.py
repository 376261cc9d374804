"""Network → how bias, gamma and beta relate, and what follows from it.

The short report needs ``pairs``, ``relate`` and ``answer``; the full account is ``detail``:
what becomes of a bias (``bias_split``), one vector after all (``one_vector``, ``sphere``,
``frozen``), what units can do (``lifted``, ``box``, ``cone``, ``corners``, ``unit_ranges``,
``reach``, ``units``, seen on inputs ``inside`` the box), independent numbers (``symmetries``,
``independent``), sensitivity (``gradients``, ``sensitivity``, ``conditioning``, ``far_out``;
``least_deviation``, ``lipschitz``, ``slopes``), trained or not (``signs``, ``copies``).
"""
