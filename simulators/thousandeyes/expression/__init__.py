"""Alert-rule expressions, ThousandEyes' own language: read, print back, judge, and put into words.

``((responseCode >= 500) || (errorType != "None"))``, with an optional scope ``[(locationId in {"3"})]``. The rooms:
:mod:`~.metrics` says what can be asked, :mod:`~.nodes` is the tree, :mod:`~.reading` and :func:`unparse` are the two
ways between text and tree, :mod:`~.judging` answers over one round or many, :mod:`~.wording` speaks to people.
"""

from simulators.thousandeyes.expression.judging import (
    NO_ERROR,
    UNSURE,
    Baselines,
    Bound,
    Maybe,
    Unknown,
    Value,
    Verdict,
    holds,
    judge,
    possible,
)
from simulators.thousandeyes.expression.metrics import METRICS, SYNONYMS, Metric, metrics_for
from simulators.thousandeyes.expression.nodes import TRACES, Expression, asked, metrics_of, unknowable, unparse
from simulators.thousandeyes.expression.reading import ExpressionError, parse
from simulators.thousandeyes.expression.wording import human, measured

__all__ = [
    "METRICS",
    "NO_ERROR",
    "SYNONYMS",
    "TRACES",
    "UNSURE",
    "Baselines",
    "Bound",
    "Expression",
    "ExpressionError",
    "Maybe",
    "Metric",
    "Unknown",
    "Value",
    "Verdict",
    "asked",
    "holds",
    "human",
    "judge",
    "measured",
    "metrics_for",
    "metrics_of",
    "parse",
    "possible",
    "unknowable",
    "unparse",
]
