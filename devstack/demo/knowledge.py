"""Plain facts that the demo's questions are made of."""

from __future__ import annotations

YEARS = (
    ("fut prise la Bastille", "1789"),
    ("finit la Première Guerre mondiale", "1918"),
    ("fut signé le traité de Rome", "1957"),
    ("tomba le mur de Berlin", "1989"),
    ("fut votée la loi sur les associations", "1901"),
    ("fut abolie la peine de mort en France", "1981"),
    ("les Françaises obtinrent le droit de vote", "1944"),
    ("commença la Cinquième République", "1958"),
)

CHOICES = (
    ("Quelle est la dérivée de sin ?", "cos", "-cos", "-sin", "tan"),
    ("Quelle est la limite de 1/x en +∞ ?", "zéro", "+∞", "un", "-∞"),
    ("Le nombre 91 est-il premier ?", "faux", "vrai", "parfois"),
    ("De quel signe est exp(x) ?", "positif", "négatif", "nul"),
    ("Que vaut ln(1) ?", "0", "1", "e"),
    ("Un carré a quatre côtés égaux.", "vrai", "faux", "parfois"),
    ("Quelle loi suit un tirage avec remise ?", "binomiale", "normale", "uniforme"),
    ("Que sont deux vecteurs de produit scalaire nul ?", "orthogonaux", "égaux", "colinéaires"),
)

CAPITALS = (
    ("de la France", "Paris"),
    ("de l'Italie", "Rome"),
    ("de l'Espagne", "Madrid"),
    ("du Portugal", "Lisbonne"),
    ("de l'Allemagne", "Berlin"),
    ("de l'Autriche", "Vienne"),
    ("de la Grèce", "Athènes"),
    ("de la Suède", "Stockholm"),
    ("de la Norvège", "Oslo"),
    ("du Danemark", "Copenhague"),
    ("de la Pologne", "Varsovie"),
    ("du Japon", "Tokyo"),
    ("du Pérou", "Lima"),
    ("du Sénégal", "Dakar"),
    ("du Canada", "Ottawa"),
    ("de Cuba", "La Havane"),
)

SYMBOLS = (
    ("de l'or", "Au"),
    ("de l'argent", "Ag"),
    ("du fer", "Fe"),
    ("du cuivre", "Cu"),
    ("du plomb", "Pb"),
    ("de l'étain", "Sn"),
    ("du mercure", "Hg"),
    ("du sodium", "Na"),
    ("du potassium", "K"),
    ("du zinc", "Zn"),
    ("de l'azote", "N"),
    ("du soufre", "S"),
    ("du chlore", "Cl"),
    ("de l'hélium", "He"),
    ("du titane", "Ti"),
    ("du cobalt", "Co"),
)

AUTHORS = (
    ("Les Misérables", "Hugo"),
    ("Germinal", "Zola"),
    ("Le Père Goriot", "Balzac"),
    ("Candide", "Voltaire"),
    ("Tartuffe", "Molière"),
    ("Phèdre", "Racine"),
    ("Le Cid", "Corneille"),
    ("Madame Bovary", "Flaubert"),
    ("L'Étranger", "Camus"),
    ("La Nausée", "Sartre"),
    ("Émile", "Rousseau"),
    ("Bel-Ami", "Maupassant"),
    ("Les Fleurs du mal", "Baudelaire"),
    ("Alcools", "Apollinaire"),
    ("Les Essais", "Montaigne"),
    ("La Mare au diable", "Sand"),
)

SUBJECTS = (
    ("le chat", "il dort", "calme"),
    ("la mer", "elle brille", "vaste"),
    ("le train", "il arrive", "rapide"),
    ("la lune", "elle monte", "ronde"),
)
"""Name, what it does, what it is like."""
