"""The verification words: four nouns that both sides of a session read to each other.

They come from the session's 128-bit secret and are in the customer's language on both sides. The lists have 256
short, concrete, inoffensive nouns each, one for a byte.
"""

from __future__ import annotations

import hashlib

COUNT = 4


def verification_words(secret: bytes, language: str) -> tuple[str, ...]:
    """The COUNT words of `secret` (16 bytes) in `language`; English for one without a list."""
    nouns = NOUNS.get(language, NOUNS["en"])
    return tuple(nouns[byte] for byte in hashlib.sha256(b"verification words\0" + secret).digest()[:COUNT])


_EN = """
acorn airport amber anchor apple apron arch arrow atlas autumn badge bakery balcony ball bamboo banana banjo barn
basket beach bean bear beaver bell bench bicycle bird biscuit blanket boat book boot bread bridge broom bucket butter
button cabin cactus cake camel camera candle canoe carpet carrot castle cat cello chair cheese cherry circle circus
clock cloud clover coat coffee comet compass cookie copper coral cotton cow crown cup curtain daisy dentist desert
diamond dolphin door dragon drawer drum duck eagle easel elephant engine envelope falcon farm feather fence ferry
field fish flag flute forest fork fox frog garden garlic gate giraffe glacier glass globe glove goat grape guitar
hammer harbor harp hat hedge helmet honey horse hotel house island ivory jacket jaguar jam jelly jewel jungle kettle
kitchen kite kitten ladder lake lamp lantern laptop lemon letter library lily lion lizard lobster magnet mango map
maple marble market meadow melon mirror mitten monkey moon mountain mouse mushroom needle nest oak ocean olive onion
orange orchard otter oven owl paddle palace panda paper parrot peach peanut pear pebble pencil penguin pepper piano
picnic pigeon pillow pilot pine pirate planet plum pocket pond pony potato puppet puzzle rabbit radio rainbow ribbon
river robin robot rocket roof rose ruby saddle sailor salad salmon sandal scarf school sheep shoe shovel silver snow
soap spider spoon squirrel star summer sun swan table teapot temple tiger toast tomato tower tractor train tree
trumpet tulip tunnel turtle umbrella valley vase velvet village violin waffle walnut whale wheel window winter wolf
yacht zebra
"""

_DE = """
Abend Adler Ahorn Ameise Ampel Ananas Anker Apfel Apotheke Auto Bach Bagger Bahnhof Ball Banane Banjo Bauer Baum
Becher Beere Berg Besen Bett Biber Biene Bild Birne Blatt Blitz Blume Bogen Bohne Boot Brief Brille Brot Brunnen
Brücke Buch Burg Butter Dach Dackel Diamant Dorf Dose Drache Eiche Eimer Eis Elch Elefant Ente Erbse Erdbeere Esel
Eule Fahne Fahrrad Falke Feige Feld Fenster Feuer Finger Fisch Flagge Flasche Fluss Flöte Forelle Foto Frosch Fuchs
Gabel Gans Garten Geige Giraffe Gitarre Glas Glocke Gold Gras Gurke Gürtel Hafen Hafer Hahn Hammer Hamster Handschuh
Harfe Hase Hecke Helm Hemd Herbst Hering Himmel Hirsch Honig Hose Hotel Hund Hut Hügel Igel Insel Jacht Jacke Kaffee
Kaktus Kalender Kamel Kamera Kamin Karotte Karte Kastanie Katze Keks Kerze Kirsche Kissen Klavier Knopf Koffer Kompass
Korb Krone Kuchen Kugel Kuh Käse Küche Kürbis Lachs Lama Lampe Laterne Leiter Lilie Luchs Löffel Magnet Mandel Mantel
Markt Marmor Maus Meer Melone Mond Moos Motor Muschel Möwe Mühle Münze Mütze Nadel Nebel Nelke Nest Nudel Nuss Ofen
Olive Orange Orgel Palme Panda Papagei Papier Paprika Perle Pfanne Pfeffer Pfirsich Pflaume Pilot Pilz Pinguin Pinsel
Planet Pokal Puppe Radio Rakete Regen Reis Ring Ritter Roboter Rose Salat Salz Sand Sattel Schaf Schal Schere Schiff
Schirm Schloss Schnee Schuh Schule Schwan Seife Sessel Sofa Sonne Spaten Spiegel Spinne Stein Stern Stiefel Storch
Strand Stuhl Suppe Tanne Tasche Tasse Taube Teller Teppich Tisch Tomate Topf Traktor Traube Treppe Trommel Tulpe Turm
Uhr Vase Veilchen Wagen Wald Wiese Winter Wolf Zange Zaun Zebra Zelt Ziege Zitrone Zucker Zug Zwiebel
"""

NOUNS: dict[str, tuple[str, ...]] = {"en": tuple(_EN.split()), "de": tuple(_DE.split())}
