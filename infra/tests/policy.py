"""What IAM answers: an explicit Deny wins, otherwise an Allow is needed, otherwise the answer is no.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""
import json
import re
from functools import cache


def as_list(value):
    return value if isinstance(value, list) else [value]


@cache
def _pattern(text, ignore_case):
    body = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(body, re.IGNORECASE if ignore_case else 0)


def matches(pattern, value, ignore_case=False):
    """Whether `value` fits `pattern`, in which "*" and "?" stand for anything."""
    return _pattern(pattern, ignore_case).fullmatch(value) is not None


OPERATORS = {
    "Bool": lambda have, want: have.lower() == want.lower(),
    "Null": lambda have, want: have.lower() == want.lower(),
    "StringEquals": lambda have, want: have == want,
    "StringLike": lambda have, want: matches(want, have),
    "ArnEquals": lambda have, want: matches(want, have),
    "ArnLike": lambda have, want: matches(want, have),
    "NumericLessThan": lambda have, want: float(have) < float(want),
}


def condition_holds(condition, context):
    """An operator that is not known here is an error, not a guess."""
    for operator, pairs in (condition or {}).items():
        name = operator.removesuffix("IfExists")
        negated = "Not" in name
        test = OPERATORS[name.replace("Not", "")]
        for key, wanted in pairs.items():
            have = context.get(key)
            if name == "Null":
                have = str(have is None)
            if have is None:
                # A key that the request lacks fits negated operators and ...IfExists, and no other.
                if not (negated or operator.endswith("IfExists")):
                    return False
            elif any(test(have, str(want)) for want in as_list(wanted)) == negated:
                return False
    return True


def principal_fits(statement, principal):
    """Identity policies name no principal; resource policies name everyone, accounts, roles or services."""
    named = statement.get("Principal")
    if named is None or named == "*":
        return True
    return any(value == "*" or value == principal for values in named.values() for value in as_list(values))


def statements(document):
    return as_list((json.loads(document) if isinstance(document, (str, bytes)) else document)["Statement"])


def decide(policies, action, resource, context=None, principal=None):
    """"Deny", "Allow" or None for the statements of all `policies` together."""
    verdict = None
    for statement in policies:
        applies = (
            principal_fits(statement, principal)
            and any(matches(a, action, ignore_case=True) for a in as_list(statement["Action"]))
            and any(matches(r, resource) for r in as_list(statement["Resource"]))
            and condition_holds(statement.get("Condition"), context or {})
        )
        if applies and statement["Effect"] == "Deny":
            return "Deny"
        if applies:
            verdict = "Allow"
    return verdict
