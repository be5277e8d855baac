"""National layers: their contracts, how they are filled, asked and watched."""
