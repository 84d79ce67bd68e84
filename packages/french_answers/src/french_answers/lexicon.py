"""Closed word lists that statements are read with."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """A closed list of words, from a text that lists them."""
    return frozenset(text.split())


LEADS = words(
    """
    a au aux en dans vers chez ville pays fleuve ile roi reine empereur imperatrice general marechal
    president premier ministre chancelier consul duc comte prince princesse pape saint sainte
    ecrivain poete romancier peintre philosophe mathematicien physicien chimiste savant compositeur
    auteur docteur professeur physicienne mathematicienne romanciere poetesse ecrivaine scientifique
    savante astronome biologiste medecin naturaliste sculpteur dramaturge historien historienne
    economiste sociologue explorateur navigateur botaniste ingenieur inventeur capitaine colonel
    amiral m mme monsieur madame sir lord segment point vecteur plan angle cercle axe suite fonction
    courbe droite mouvement reaction triangle quadrilatere figure nombre forme nature type notion
    concept terme mot procede phenomene mecanisme famille fonctions molecule ion element gaz metal
    corps substance compose organite maladie loi regime batterie energie force grandeur celebre
    fameux fameuse celle celui elle il
    """
)
"""Places, titles and general nouns before an answer: without accents, they add nothing to it."""
GENERIC = words(
    """
    suite fonction courbe mouvement reaction triangle nombre phenomene famille gaz element molecule
    """
)
"""Nouns that an expected adjective may go without: « suite géométrique » is « géométrique »."""
NAMED_AFTER = words(
    """
    theoreme loi principe formule relation inegalite identite regle constante effet lemme
    """
)
"""What is called by the name of a person: « Pythagore » is the theorem."""
NO_PERSON = words(
    """
    bataille traite prise guerre revolution mer mont monts ocean ile iles tour chateau palais cap
    golfe republique royaume new los san santa la le les etats union afrique amerique europe asie
    pays serment edit conference accords plan affaire front parti cote bois val grand grande petite
    petit empire paix siege declaration code congres pacte nuit journee mur canal lac riviere saint
    """
)
"""First words of names that are no persons: their last word alone names something else."""
ELEMENTS = words(
    """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br
    Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er
    Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf D T
    """
)
"""Symbols of the chemical elements, deuterium and tritium."""
OPEN_WORDS = words(
    """
    le la les des du de et ou donc que qui puis est sont vaut faut doit peut va on il elle nous je
    car avec pour par dans sur en à au aux obtient trouve calcule soit mais the is
    """
)
"""Words that ask for another: a text that ends with one breaks off."""
