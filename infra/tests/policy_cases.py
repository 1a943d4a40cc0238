"""What `policy.decide` must answer, since all that is said of roles and buckets rests on it."""

ALLOW = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::media/*"}
DENY = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
PICTURE, ROLE = "arn:aws:s3:::media/1", "arn:aws:iam::1:role/a"


def when(operator, key, *values, base=DENY):
    return {**base, "Condition": {operator: {key: list(values)}}}


# name: (policies, action, resource, context, principal, verdict)
CASES = {
    "nothing allows": ([], "s3:GetObject", PICTURE, {}, None, None),
    "a star allows": ([ALLOW], "s3:GetObject", PICTURE, {}, None, "Allow"),
    "actions have no case": ([ALLOW], "S3:getobject", PICTURE, {}, None, "Allow"),
    "resources have": ([ALLOW], "s3:GetObject", "arn:aws:s3:::MEDIA/1", {}, None, None),
    "another action": ([ALLOW], "s3:PutObject", PICTURE, {}, None, None),
    "another bucket": ([ALLOW], "s3:GetObject", "arn:aws:s3:::media-2/1", {}, None, None),
    "a deny wins, whatever the order": ([DENY, ALLOW], "s3:GetObject", PICTURE, {}, None, "Deny"),
    "a condition that fails": ([when("Bool", "tls", "false")], "s3:GetObject", PICTURE, {"tls": "true"}, None, None),
    "a key that is missing": ([when("Bool", "tls", "false")], "s3:GetObject", PICTURE, {}, None, None),
    "IfExists and a key that is missing": ([when("BoolIfExists", "tls", "false")], "s3:GetObject", PICTURE, {}, None, "Deny"),
    "Not and a key that is missing": ([when("StringNotEquals", "k", "a")], "s3:GetObject", PICTURE, {}, None, "Deny"),
    "Not and one of several": ([when("StringNotEquals", "k", "a", "b")], "s3:GetObject", PICTURE, {"k": "b"}, None, None),
    "Not and none of several": ([when("StringNotEquals", "k", "a", "b")], "s3:GetObject", PICTURE, {"k": "c"}, None, "Deny"),
    "Null false and a key": ([when("Null", "k", "false")], "s3:GetObject", PICTURE, {"k": "c"}, None, "Deny"),
    "Null false and none": ([when("Null", "k", "false")], "s3:GetObject", PICTURE, {}, None, None),
    "numbers": ([when("NumericLessThan", "v", "1.2")], "s3:GetObject", PICTURE, {"v": "1.1"}, None, "Deny"),
    "equal numbers": ([when("NumericLessThan", "v", "1.2")], "s3:GetObject", PICTURE, {"v": "1.2"}, None, None),
    "a star in StringEquals is a star": ([when("StringEquals", "k", "a*", base=ALLOW)], "s3:GetObject", PICTURE, {"k": "ab"}, None, None),
    "a star in StringLike is any text": ([when("StringLike", "k", "a*", base=ALLOW)], "s3:GetObject", PICTURE, {"k": "ab"}, None, "Allow"),
    "the principal named": ([{**ALLOW, "Principal": {"AWS": ROLE}}], "s3:GetObject", PICTURE, {}, ROLE, "Allow"),
    "another principal": ([{**ALLOW, "Principal": {"AWS": ROLE}}], "s3:GetObject", PICTURE, {}, ROLE + "b", None),
    "everyone": ([{**ALLOW, "Principal": "*"}], "s3:GetObject", PICTURE, {}, ROLE, "Allow"),
}
