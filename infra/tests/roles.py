"""What each role may do, and who may take it on: every grant is listed, everything else must be refused.

Each action that AWS knows is decided against each resource below under each circumstance; the answers must be the table, no more and no less.
"""
from functools import cache

from parliament import iam_definition

from policy import as_list, decide, matches, statements
from posture import row, same

# Circumstances of a call, as conditions see them.
CIRCUMSTANCES = {
    "plain": {},
    "via s3": {"kms:ViaService": "s3.us-east-1.amazonaws.com"},
    "via secretsmanager": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"},
    "via sqs": {"kms:ViaService": "sqs.us-east-1.amazonaws.com"},
    "via lambda": {"kms:ViaService": "lambda.us-east-1.amazonaws.com"},
    "via ec2": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"},
    "to tasks": {"iam:PassedToService": "ecs-tasks.amazonaws.com"},
    "to machines": {"iam:PassedToService": "ec2.amazonaws.com"},
    "in cluster": {"ecs:cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/{name}"},
    "in another cluster": {"ecs:cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/other"},
    "of the api": {"ecs:service": "arn:aws:ecs:us-east-1:123456789012:service/{name}/{name}-api"},
    "of the worker": {"ecs:service": "arn:aws:ecs:us-east-1:123456789012:service/{name}/{name}-worker"},
    "by the function's code": {"lambda:SourceFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:{name}-rotation"},
}

PULL = "ecr:BatchCheckLayerAvailability ecr:BatchGetImage ecr:GetDownloadUrlForLayer"
WRITE_LOG = "logs:CreateLogStream logs:PutLogEvents"
JOIN_NETWORK = "ec2:AssignPrivateIpAddresses ec2:CreateNetworkInterface ec2:DeleteNetworkInterface ec2:UnassignPrivateIpAddresses"
NOT_THE_CODE = ", ".join(set(CIRCUMSTANCES) - {"by the function's code"})


def execution(service, *bundles):
    return [
        ("ecr:GetAuthorizationToken", "all"),
        (PULL, "image"),
        (WRITE_LOG, f"log {service}"),
        ("secretsmanager:GetSecretValue", ", ".join(f"bundle {b}" for b in bundles)),
        ("kms:Decrypt", "key data", "via secretsmanager"),
    ]


def task(service, *bundles):
    return [
        ("s3:ListBucket", "bucket media"),
        ("s3:AbortMultipartUpload s3:DeleteObject s3:GetObject s3:PutObject", "object media"),
        ("secretsmanager:GetSecretValue", ", ".join(f"bundle {b}" for b in bundles)),
        ("kms:Decrypt kms:GenerateDataKey", "key data", "via s3, via secretsmanager"),
        ("rds-db:connect", "db autorepost"),
        (f"{WRITE_LOG} logs:DescribeLogStreams", f"metrics {service}"),
    ]


API, WORKER = ("api", "encryption-key"), ("worker", "encryption-key", "tiktok")
TASK_ROLES = "role api-task, role api-execution, role worker-task, role worker-execution"

# role: (actions, resources, circumstances if not all)
GRANTS = {
    "api-execution": execution("api", *API),
    "api-task": task("api", *API),
    "worker-execution": execution("worker", *WORKER),
    "worker-task": task("worker", *WORKER),
    "flow-log": [(f"{WRITE_LOG} logs:DescribeLogStreams", "log flow")],
    "rds-monitoring": [
        (f"{WRITE_LOG} logs:DescribeLogStreams logs:GetLogEvents", "log os-metrics"),
        ("logs:CreateLogGroup logs:PutRetentionPolicy", "group os-metrics"),
    ],
    "rotation": [
        ("secretsmanager:DescribeSecret secretsmanager:GetSecretValue secretsmanager:PutSecretValue secretsmanager:UpdateSecretVersionStage", "bundle tiktok, bundle encryption-key"),
        ("kms:Decrypt kms:GenerateDataKey", "key data", "via lambda, via secretsmanager"),
        ("kms:Decrypt kms:GenerateDataKey", "key logs", "via sqs"),
        ("sqs:SendMessage", "queue failed"),
        (WRITE_LOG, "log rotation"),
        ("ec2:DescribeNetworkInterfaces ec2:DescribeSubnets xray:PutTelemetryRecords xray:PutTraceSegments", "all"),
        (JOIN_NETWORK, "interface, group rotation, subnet private", NOT_THE_CODE),
    ],
    "api-codedeploy": [
        ("ecs:CreateTaskSet", "all", "of the api"),
        ("ecs:DeleteTaskSet ecs:DescribeServices ecs:UpdateServicePrimaryTaskSet", "service api, taskset api"),
        ("elasticloadbalancing:ModifyListener", "listener 443"),
        ("cloudwatch:DescribeAlarms", "alarm api"),
        ("elasticloadbalancing:DescribeListeners elasticloadbalancing:DescribeRules elasticloadbalancing:DescribeTargetGroups", "all"),
        ("iam:PassRole", "role api-task, role api-execution", "to tasks"),
    ],
    "deploy": [
        ("ecr:GetAuthorizationToken", "all"),
        (f"{PULL} ecr:CompleteLayerUpload ecr:DescribeImages ecr:InitiateLayerUpload ecr:PutImage ecr:UploadLayerPart", "image"),
        ("codedeploy:CreateDeployment codedeploy:GetDeployment", "deployment group api"),
        ("codedeploy:GetApplicationRevision codedeploy:RegisterApplicationRevision", "application api"),
        ("codedeploy:GetDeploymentConfig", "strategy"),
        ("ecs:RegisterTaskDefinition", "definition api, definition worker"),
        ("ecs:DescribeTaskDefinition", "all"),
        ("ecs:DescribeServices ecs:UpdateService", "service api, service worker"),
        ("ecs:RunTask", "definition api, definition worker", "in cluster"),
        ("ecs:DescribeTasks", "task"),
        ("iam:PassRole", TASK_ROLES, "to tasks"),
    ],
}


def resources(aws):
    """One of each that a role could reach for, ours and not ours, by the name used in the table."""
    scope, name = f"{aws.REGION}:{aws.ID}", aws.name
    other = "production" if aws.environment == "staging" else "staging"
    listeners = {str(port): listener["ListenerArn"] for port, listener in aws.listeners.items()}
    user = f"arn:aws:rds-db:{scope}:dbuser:{aws.database['DbiResourceId']}"
    found = {
        "image": f"arn:aws:ecr:{scope}:repository/autorepost/{aws.environment}",
        "alarm api": f"arn:aws:cloudwatch:{scope}:alarm:{name}-api-errors-blue",
        "another alarm": f"arn:aws:cloudwatch:{scope}:alarm:{name}-db-cpu",
        "another image": f"arn:aws:ecr:{scope}:repository/autorepost/{other}",
        "db autorepost": f"{user}/autorepost",
        "db owner": f"{user}/owner_autorepost",
        "queue failed": f"arn:aws:sqs:{scope}:{name}-rotation-failed",
        "another queue": f"arn:aws:sqs:{scope}:other",
        "interface": f"arn:aws:ec2:{scope}:network-interface/eni-1",
        "strategy": f"arn:aws:codedeploy:{scope}:deploymentconfig:CodeDeployDefault.ECSCanary10Percent5Minutes",
        "task": f"arn:aws:ecs:{scope}:task/{name}/1",
        "another task": f"arn:aws:ecs:{scope}:task/other/1",
        "group os-metrics": f"arn:aws:logs:{scope}:log-group:RDSOSMetrics",
        "log os-metrics": f"arn:aws:logs:{scope}:log-group:RDSOSMetrics:log-stream:x",
        "log flow": f"arn:aws:logs:{scope}:log-group:/vpc/{name}:log-stream:x",
        "log rotation": f"arn:aws:logs:{scope}:log-group:/aws/lambda/{name}-rotation:log-stream:x",
        "another log": f"arn:aws:logs:{scope}:log-group:/ecs/autorepost-{other}-api:log-stream:x",
        "another bundle": f"arn:aws:secretsmanager:{scope}:secret:autorepost/{other}/api-AbCdEf",
        "another role": f"arn:aws:iam::{aws.ID}:role/admin",
    }
    for bucket in ("media", "logs"):
        found |= {f"bucket {bucket}": f"arn:aws:s3:::{aws.bucket(bucket)}", f"object {bucket}": f"arn:aws:s3:::{aws.bucket(bucket)}/x"}
    for bucket in (aws.state_bucket, "elsewhere", f"{aws.bucket('media')}-2"):
        found |= {f"bucket {bucket}": f"arn:aws:s3:::{bucket}", f"object {bucket}": f"arn:aws:s3:::{bucket}/x"}
    for service in ("api", "worker", "other"):
        found |= {
            f"log {service}": f"arn:aws:logs:{scope}:log-group:/ecs/{name}-{service}:log-stream:x",
            f"metrics {service}": f"arn:aws:logs:{scope}:log-group:/metrics/{name}-{service}:log-stream:x",
            f"service {service}": f"arn:aws:ecs:{scope}:service/{name}/{name}-{service}",
            f"taskset {service}": f"arn:aws:ecs:{scope}:task-set/{name}/{name}-{service}/1",
            f"definition {service}": f"arn:aws:ecs:{scope}:task-definition/{name}-{service}:1",
            f"application {service}": f"arn:aws:codedeploy:{scope}:application:{name}-{service}",
            f"deployment group {service}": f"arn:aws:codedeploy:{scope}:deploymentgroup:{name}-{service}/{name}-{service}",
        }
    found |= {f"listener {port}": arn for port, arn in listeners.items()}
    found |= {f"bundle {bundle}": arn for bundle, arn in aws.bundles.items()}
    found |= {f"key {key.removeprefix(name + '-')}": arn for key, arn in aws.keys.items()}
    found |= {f"role {role}": f"arn:aws:iam::{aws.ID}:role/{name}-{role}" for role in GRANTS}
    found |= {f"group {role}": f"arn:aws:ec2:{scope}:security-group/{group}" for group, role in aws.groups.items()}
    found |= {f"subnet {tier}": f"arn:aws:ec2:{scope}:subnet/{subnet}" for tier, zones in aws.subnets.items() for subnet in list(zones.values())[:1]}
    return found


@cache
def every_action():
    return [f"{service['prefix']}:{p['privilege']}".lower() for service in iam_definition for p in service["privileges"]]


@row("IAM: least privilege. Bucket, own bundles, logs; every other action on every other resource refused")
def grants(aws):
    same("roles", set(aws.roles), set(GRANTS))
    pool = resources(aws)
    circumstances = {name: {k: v.format(name=aws.name) for k, v in context.items()} for name, context in CIRCUMSTANCES.items()}
    for role, table in GRANTS.items():
        policies = aws.identity_policies(f"{aws.name}-{role}")
        patterns = {a.lower() for s in policies if s["Effect"] == "Allow" for a in as_list(s["Action"])}
        wild = {p for p in patterns if "*" in p or "?" in p}
        allowed = (patterns - wild) | {a for a in every_action() if any(matches(p, a) for p in wild)}
        listed = {a.lower() for actions, *_ in table for a in actions.split()}
        same(f"actions of {role} beyond the table", allowed - listed, set())
        same(f"actions of {role} missing", listed - allowed, set())

        want, have = set(), set()
        for actions, names, *when in table:
            reach = pool if names == "all" else names.split(", ")
            for action in actions.split():
                want |= {(action, n, c) for n in reach for c in (when[0].split(", ") if when else circumstances)}
        for action in {a for actions, *_ in table for a in actions.split()}:
            relevant = [s for s in policies if any(matches(a, action, ignore_case=True) for a in as_list(s["Action"]))]
            if any(s.get("Condition") for s in relevant):
                have |= {(action, n, c) for n, arn in pool.items() for c, context in circumstances.items() if decide(relevant, action, arn, context) == "Allow"}
            else:
                have |= {(action, n, c) for n, arn in pool.items() if decide(relevant, action, arn) == "Allow" for c in circumstances}
        same(f"what {role} may do beyond the table", have - want, set())
        same(f"what {role} may not do but should", want - have, set())


@row("IAM: each role is for one service of this account; the deploy role for one repository and environment")
def trust(aws):
    services = {
        "api-execution": "ecs-tasks", "api-task": "ecs-tasks", "worker-execution": "ecs-tasks", "worker-task": "ecs-tasks",
        "flow-log": "vpc-flow-logs", "rds-monitoring": "monitoring.rds", "rotation": "lambda", "api-codedeploy": "codedeploy",
    }
    for role, service in services.items():
        policy = statements(aws.roles[role]["AssumeRolePolicyDocument"])
        for caller in {*services.values(), "ec2"}:
            context = {"aws:SourceAccount": aws.ID, "aws:SourceArn": f"arn:aws:ecs:{aws.REGION}:{aws.ID}:task/{aws.name}/1"}
            same(f"{caller} takes on {role}", assume(policy, f"{caller}.amazonaws.com", context), caller == service)
        # Lambda assumes a role only for a function that was given it by someone who may pass it.
        if service != "lambda":
            stranger = {"aws:SourceAccount": "999999999999", "aws:SourceArn": "arn:aws:ecs:us-east-1:999999999999:task/x"}
            same(f"another account takes on {role}", assume(policy, f"{service}.amazonaws.com", stranger), False)
        same(f"a person takes on {role}", assume(policy, f"arn:aws:iam::{aws.ID}:root", {}), False)

    policy = statements(aws.roles["deploy"]["AssumeRolePolicyDocument"])
    github = f"arn:aws:iam::{aws.ID}:oidc-provider/token.actions.githubusercontent.com"
    for subject, audience, may in (
        (f"repo:{aws.REPOSITORY}:environment:{aws.environment}", "sts.amazonaws.com", True),
        (f"repo:{aws.REPOSITORY}:environment:{aws.environment}", "https://github.com/owner", False),
        (f"repo:{aws.REPOSITORY}:environment:other", "sts.amazonaws.com", False),
        (f"repo:{aws.REPOSITORY}:pull_request", "sts.amazonaws.com", False),
        (f"repo:{aws.REPOSITORY}:ref:refs/heads/main", "sts.amazonaws.com", False),
        (f"repo:{aws.REPOSITORY}-fork:environment:{aws.environment}", "sts.amazonaws.com", False),
        (f"repo:owner/another:environment:{aws.environment}", "sts.amazonaws.com", False),
    ):
        claims = {"token.actions.githubusercontent.com:sub": subject, "token.actions.githubusercontent.com:aud": audience}
        same(f"{subject} for {audience} deploys", assume(policy, github, claims, "sts:AssumeRoleWithWebIdentity"), may)


def assume(policy, principal, context, action="sts:AssumeRole"):
    """A trust policy has no resource: it is about its own role."""
    return decide([{**s, "Resource": "*"} for s in policy], action, "role", context, principal) == "Allow"
