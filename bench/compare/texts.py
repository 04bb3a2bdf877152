"""The texts that are sent: the origin's one, and texts of mixed length."""

import json
import random

ORIGIN = "I love you. I like you. I am your friend."
MIXED_COUNT, SHORTEST, LONGEST = 64, 5, 120  # texts; words
WORDS = """a about after all also always and another any as at back bad because before best better big book but by came can
cold come could day did different do down each early end even every eye fact far feel few film find first for found friend
from gave get give go good great had hand has have he head her here him his home house how i if in into is it its just kind
know last left let life light like little long look love made make man many may me mean mind moment more most much music must
my name never new next night no not nothing now of off old on once one only or other our out over own part people place play
point put quite rather read real right room said same saw say scene see seem she should side simple since small so some song
soon sound still story strange such sweet take tell than that the their them then there these they thing think this those
though thought time to together told too took true turn two under until up us use very voice want warm was watch water way we
well went were what when where which while who whole why will with word work world would year yet you young your""".split()


def mixed():
    """-> texts of 5 to 120 words, the same every time"""
    generator = random.Random(0)
    found = []
    for _ in range(MIXED_COUNT):
        words = generator.choices(WORDS, k=generator.randint(SHORTEST, LONGEST))
        found.append(" ".join(words).capitalize() + ".")
    return found


def body(inputs):
    return json.dumps({"inputs": inputs})
