"""Answers over HTTP, and whether two services give the same ones."""

import http.client
import json
import math

from . import texts


CHECKED = 24  # of the mixed texts


class Wrong(Exception):
    """A service does not answer as it must; the message says what it did."""


def ask(port, inputs, timeout=60):
    """-> what POST /age answers. Raises OSError where nothing listens, Wrong where the answer is not 200 with JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", "/age", texts.body(inputs), {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
    except http.client.HTTPException as error:
        raise Wrong(f"no HTTP answer: {error!r}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise Wrong(f"status {response.status}: {content[:200].decode(errors='replace')}")
    try:
        return json.loads(content)
    except ValueError as error:
        raise Wrong(f"not JSON: {content[:200]!r}") from error


def classifications(answer, count):
    """-> [(label, score)] of an answer that must be a list of `count` {label, score}"""
    well_formed = (
        isinstance(answer, list)
        and len(answer) == count
        and all(
            isinstance(item, dict) and set(item) == {"label", "score"} and isinstance(item["score"], float)
            for item in answer
        )
    )
    if not well_formed:
        raise Wrong(f"not a list of {count} {{label, score}}: {json.dumps(answer)[:200]}")
    return [(item["label"], item["score"]) for item in answer]


def sample(port):
    """Asks the origin's text and mixed ones, each alone, then two as a list. -> [(label, score)]"""
    found = []
    for text in (texts.ORIGIN, *texts.mixed()[:CHECKED]):
        found += classifications(ask(port, text), 1)
    return found + classifications(ask(port, texts.mixed()[:2]), 2)


def compare(found, reference, two_labels):
    """-> {texts, labels_equal, largest}: the largest difference of a score. Where a model has two labels and they differ,
    the scores are compared as probabilities of the same label; with more labels, a score of another label tells nothing."""
    equal, largest = 0, 0.0
    for (label, score), (expected, expected_score) in zip(found, reference, strict=True):
        equal += label == expected
        if label == expected:
            difference = abs(score - expected_score)
        else:
            difference = abs((1 - score) - expected_score) if two_labels else math.inf
        largest = max(largest, math.inf if math.isnan(difference) else difference)
    return {"texts": len(found), "labels_equal": equal, "largest": largest}


def check(result, bound, labels_must_agree):
    """Raises Wrong where a service's answers differ by more than its row may."""
    if result["largest"] > bound:
        raise Wrong(f"answers differ: a score by {result['largest']:.2g}, its bound is {bound:g}")
    if labels_must_agree and result["labels_equal"] != result["texts"]:
        raise Wrong(f"answers differ: {result['texts'] - result['labels_equal']} of {result['texts']} labels")
