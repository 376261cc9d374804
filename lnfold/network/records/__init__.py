"""What a network is: layers, norms, activations and wiring as frozen records that know no file."""
