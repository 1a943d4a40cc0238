"""What stands, read through AWS's API and held against the playbook, line by line.

Each row is a function; `check` runs them all and returns what is wrong. Nothing here reads Terraform.
"""
import base64
import json
from functools import cache, cached_property

import boto3
from botocore.config import Config

from policy import decide, statements

ROWS = {}


def row(requirement):
    def add(function):
        ROWS[function.__name__] = (requirement, function)
        return function

    return add


def same(what, have, want):
    assert have == want, f"{what}: {have!r}, wanted {want!r}"


class Account:
    """One environment as it stands. `url` is where AWS answers with TLS, `plain_url` where it answers without."""

    REGION, ID, REPOSITORY, ZONE = "us-east-1", "123456789012", "owner/autorepost", "example.com"

    def __init__(self, environment, url, plain_url, certificate):
        self.environment, self.url, self.plain_url, self.certificate = environment, url, plain_url, certificate
        self.production = environment == "production"
        self.name = f"autorepost-{environment}"
        self.domain = f"api.{self.ZONE}" if self.production else f"api.{environment}.{self.ZONE}"
        self.session = boto3.Session("testing", "testing", region_name=self.REGION)

    @cache
    def __call__(self, service):
        return self.client(service, self.url)

    def client(self, service, url):
        return self.session.client(service, endpoint_url=url, verify=self.certificate, config=Config(retries={"total_max_attempts": 1}))

    def all(self, service, operation, key, **parameters):
        pages = self(service).get_paginator(operation).paginate(**parameters)
        return [item for page in pages for item in page[key]]

    @property
    def vpc(self):
        (vpc,) = self("ec2").describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [self.name]}])["Vpcs"]
        return vpc["VpcId"]

    def in_vpc(self, operation, key):
        return getattr(self("ec2"), operation)(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])[key]

    @property
    def subnets(self):
        """Subnet IDs by tier."""
        tiers = {}
        for subnet in self.in_vpc("describe_subnets", "Subnets"):
            tags = {t["Key"]: t["Value"] for t in subnet["Tags"]}
            tiers.setdefault(tags["Tier"], {})[subnet["AvailabilityZone"]] = subnet["SubnetId"]
        return tiers

    @property
    def groups(self):
        """Role of each security group by ID."""
        groups = self.in_vpc("describe_security_groups", "SecurityGroups")
        return {g["GroupId"]: g["GroupName"].removeprefix(f"{self.name}-") for g in groups}

    @property
    def load_balancer(self):
        (balancer,) = self("elbv2").describe_load_balancers(Names=[self.name])["LoadBalancers"]
        return balancer

    @property
    def listeners(self):
        found = self("elbv2").describe_listeners(LoadBalancerArn=self.load_balancer["LoadBalancerArn"])["Listeners"]
        return {listener["Port"]: listener for listener in found}

    @property
    def target_groups(self):
        found = self("elbv2").describe_target_groups(Names=[f"{self.name}-{colour}" for colour in ("blue", "green")])["TargetGroups"]
        return {g["TargetGroupName"].removeprefix(f"{self.name}-"): g for g in found}

    @property
    def database(self):
        return self("rds").describe_db_instances(DBInstanceIdentifier=self.name)["DBInstances"][0]

    @cached_property
    def keys(self):
        """ARN of each customer key by alias."""
        aliases = {a["AliasName"].removeprefix("alias/"): a["TargetKeyId"] for a in self.all("kms", "list_aliases", "Aliases") if a.get("TargetKeyId")}
        return {name: self("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"] for name, key in aliases.items() if name.startswith("autorepost")}

    @property
    def data_key(self):
        return self.keys[f"{self.name}-data"]

    @property
    def logs_key(self):
        return self.keys[f"{self.name}-logs"]

    def bucket(self, kind):
        return f"{self.name}-{kind}-{self.ID}"

    @cached_property
    def state_bucket(self):
        return f"autorepost-terraform-{self.ID}"

    @cached_property
    def bundles(self):
        """ARN of each bundle by name."""
        prefix = f"autorepost/{self.environment}/"
        return {s["Name"].removeprefix(prefix): s["ARN"] for s in self.all("secretsmanager", "list_secrets", "SecretList") if s["Name"].startswith(prefix)}

    def service(self, name):
        (service,) = self("ecs").describe_services(cluster=self.name, services=[f"{self.name}-{name}"])["services"]
        return service

    def containers(self, name):
        task = self("ecs").describe_task_definition(taskDefinition=self.service(name)["taskDefinition"])["taskDefinition"]
        return task, {c["name"]: c for c in task["containerDefinitions"]}

    def identity_policies(self, role):
        """All that is granted to a role, whether written into it or attached to it."""
        iam, found = self("iam"), []
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            found += statements(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
        for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
            found += statements(iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"])
        return found

    @property
    def roles(self):
        found = self.all("iam", "list_roles", "Roles")
        return {r["RoleName"].removeprefix(f"{self.name}-"): r for r in found if r["RoleName"].startswith(f"{self.name}-")}


# ---- VPC


@row("VPC: three AZs; public subnets for the ALB, private ones for tasks and databases")
def network(aws):
    same("tiers", sorted(aws.subnets), ["data", "private", "public"])
    zones = {tier: set(subnets) for tier, subnets in aws.subnets.items()}
    assert all(len(z) == 3 and z == zones["public"] for z in zones.values()), zones
    assert not any(s["MapPublicIpOnLaunch"] for s in aws.in_vpc("describe_subnets", "Subnets")), "a subnet gives out public addresses"

    ways_out = {}
    for table in aws.in_vpc("describe_route_tables", "RouteTables"):
        way = {r.get("GatewayId", r.get("NatGatewayId", "?"))[:4] for r in table["Routes"] if r.get("DestinationCidrBlock") == "0.0.0.0/0"}
        ways_out.update({a["SubnetId"]: way for a in table["Associations"] if "SubnetId" in a})
    for tier, way in {"public": {"igw-"}, "private": {"nat-"}, "data": set()}.items():
        same(f"ways out of {tier}", [ways_out[s] for s in aws.subnets[tier].values()], [way] * 3)
    gateways = [g for g in aws("ec2").describe_nat_gateways(Filter=[{"Name": "vpc-id", "Values": [aws.vpc]}])["NatGateways"] if g["State"] == "available"]
    same("NAT gateways", len(gateways), 3 if aws.production else 1)

    endpoints = {e["ServiceName"].removeprefix(f"com.amazonaws.{aws.REGION}."): e for e in aws.in_vpc("describe_vpc_endpoints", "VpcEndpoints")}
    same("endpoints", sorted(endpoints), ["ecr.api", "ecr.dkr", "kms", "logs", "s3", "secretsmanager", "sts"])
    assert all(e["PrivateDnsEnabled"] for name, e in endpoints.items() if name != "s3"), "an endpoint without its DNS name is not used"

    (flow,) = aws("ec2").describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [aws.vpc]}])["FlowLogs"]
    same("flow log", flow["TrafficType"], "ALL")


# ---- Security groups

INTERNET = "0.0.0.0/0"
INGRESS = {
    ("alb", INTERNET, 443), ("alb", INTERNET, 80),
    ("api", "alb", 8787),
    ("db", "api", 5432), ("db", "worker", 5432),
    ("redis", "api", 6379), ("redis", "worker", 6379),
    ("endpoints", "api", 443), ("endpoints", "worker", 443), ("endpoints", "rotation", 443),
}
EGRESS = {(client, server, port) for server, client, port in INGRESS if client != INTERNET} | {
    ("api", INTERNET, 443), ("worker", INTERNET, 443), ("rotation", INTERNET, 443),
}


@row("Security groups: ALB from anywhere on 443; api from the ALB; RDS and Redis from the tasks only; nothing else")
def security_groups(aws):
    found, names = {False: set(), True: set()}, aws.groups
    for rule in aws.all("ec2", "describe_security_group_rules", "SecurityGroupRules"):
        if rule["GroupId"] not in names:
            continue
        same("protocol", rule["IpProtocol"], "tcp")
        same("port range", rule["FromPort"], rule["ToPort"])
        peer = names.get(rule.get("ReferencedGroupInfo", {}).get("GroupId")) or rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId")
        found[rule["IsEgress"]].add((names[rule["GroupId"]], peer, rule["FromPort"]))
    same("ingress beyond the playbook", found[False] - INGRESS, set())
    same("ingress missing", INGRESS - found[False], set())
    same("egress beyond the playbook", found[True] - EGRESS, set())
    same("egress missing", EGRESS - found[True], set())


@row("Public: only the ALB; no database, task, function or bucket")
def public(aws):
    balancers = [b["LoadBalancerName"] for b in aws("elbv2").describe_load_balancers()["LoadBalancers"] if b.get("Scheme") != "internal"]
    same("internet-facing load balancers", balancers, [aws.name])
    same("listeners", sorted(aws.listeners), [80, 443])
    same("its subnets", {z["SubnetId"] for z in aws.load_balancer["AvailabilityZones"]}, set(aws.subnets["public"].values()))
    assert not any(d["PubliclyAccessible"] for d in aws("rds").describe_db_instances()["DBInstances"]), "a database has a public address"
    for name in ("api", "worker"):
        wiring = aws.service(name)["networkConfiguration"]["awsvpcConfiguration"]
        same(f"{name}'s public address", wiring["assignPublicIp"], "DISABLED")
        same(f"{name}'s subnets", set(wiring["subnets"]), set(aws.subnets["private"].values()))
        same(f"{name}'s group", [aws.groups[g] for g in wiring["securityGroups"]], [name])
    function = aws("lambda").get_function_configuration(FunctionName=f"{aws.name}-rotation")["VpcConfig"]
    same("the function's subnets", set(function["SubnetIds"]), set(aws.subnets["private"].values()))
    same("the function's group", [aws.groups[g] for g in function["SecurityGroupIds"]], ["rotation"])
    for bucket in (aws.bucket("media"), aws.bucket("logs"), aws.state_bucket):
        block = aws("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert len(block) == 4 and all(block.values()), f"{bucket} may be made public: {block}"
        same(f"who {bucket} lets in", bucket_allows(aws, bucket), LOG_WRITERS if bucket == aws.bucket("logs") else set())


LOG_WRITERS = {"logdelivery.elasticloadbalancing.amazonaws.com", "logging.s3.amazonaws.com"}


def bucket_allows(aws, bucket):
    policy = statements(aws("s3").get_bucket_policy(Bucket=bucket)["Policy"])
    return {s["Principal"] if isinstance(s["Principal"], str) else next(iter(s["Principal"].values())) for s in policy if s["Effect"] == "Allow"}


# ---- TLS


@row("TLS: ACM certificate on the ALB, forced redirect to HTTPS, Route 53 record")
def tls(aws):
    secure, plain = aws.listeners[443], aws.listeners[80]
    same("protocol on 443", secure["Protocol"], "HTTPS")
    same("TLS policy", secure["SslPolicy"], "ELBSecurityPolicy-TLS13-1-2-2021-06")
    certificate = aws("acm").describe_certificate(CertificateArn=secure["Certificates"][0]["CertificateArn"])["Certificate"]
    same("certificate", (certificate["DomainName"], certificate["Status"]), (aws.domain, "ISSUED"))
    (redirect,) = plain["DefaultActions"]
    assert redirect["Type"] == "redirect", f"port 80 does not redirect but {redirect['Type']}s"
    same("redirect", {k: redirect["RedirectConfig"][k] for k in ("Protocol", "Port", "StatusCode")}, {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"})
    same("rules on port 80", len(aws("elbv2").describe_rules(ListenerArn=plain["ListenerArn"])["Rules"]), 1)

    (forward,) = secure["DefaultActions"]
    assert forward["TargetGroupArn"] in {g["TargetGroupArn"] for g in aws.target_groups.values()}, "443 leads elsewhere"
    hidden = [r for r in aws("elbv2").describe_rules(ListenerArn=secure["ListenerArn"])["Rules"] if not r["IsDefault"]]
    same("hidden path", hidden[0]["Conditions"][0]["PathPatternConfig"]["Values"], ["/metrics"])
    same("its answer", hidden[0]["Actions"][0]["FixedResponseConfig"]["StatusCode"], "404")

    zones = {z["Name"]: z["Id"] for z in aws("route53").list_hosted_zones()["HostedZones"]}
    records = aws("route53").list_resource_record_sets(HostedZoneId=zones[f"{aws.ZONE}."])["ResourceRecordSets"]
    (record,) = [r for r in records if r["Type"] == "A"]
    same("record", record["Name"], f"{aws.domain}.")
    assert record["AliasTarget"]["DNSName"].rstrip(".") == aws.load_balancer["DNSName"], "the record leads elsewhere"


@row("WAF on the ALB: managed groups and a rate limit, logged without secrets")
def firewall(aws):
    acl = aws("wafv2").get_web_acl_for_resource(ResourceArn=aws.load_balancer["LoadBalancerArn"]).get("WebACL")
    assert acl, "the load balancer has no firewall"
    rules = {r["Name"]: r for r in acl["Rules"]}
    same("rules", sorted(rules), ["common", "ip-reputation", "known-bad-inputs", "rate"])
    assert "Block" in rules.pop("rate")["Action"], "the rate limit does not block"
    assert all("None" in r["OverrideAction"] for r in rules.values()), "a managed group only counts"
    logging = aws("wafv2").get_logging_configuration(ResourceArn=acl["ARN"])["LoggingConfiguration"]
    redacted = {f["SingleHeader"]["Name"] if "SingleHeader" in f else next(iter(f)) for f in logging["RedactedFields"]}
    same("left out of the log", redacted, {"authorization", "cookie", "QueryString"})


# ---- Data


@row("RDS PostgreSQL: multi-AZ, automatic backups, encrypted, TLS forced, IAM sign-in, protected")
def database(aws):
    db = aws.database
    want = {
        "Engine": "postgres", "MultiAZ": True, "StorageEncrypted": True, "KmsKeyId": aws.data_key, "PubliclyAccessible": False,
        "IAMDatabaseAuthenticationEnabled": True, "BackupRetentionPeriod": 35 if aws.production else 7, "CopyTagsToSnapshot": True,
        "PerformanceInsightsEnabled": True, "AutoMinorVersionUpgrade": True,
    }
    same("instance", {k: db.get(k) for k in want}, want)
    same("its group", [aws.groups[g["VpcSecurityGroupId"]] for g in db["VpcSecurityGroups"]], ["db"])
    same("its subnets", {s["SubnetIdentifier"] for s in db["DBSubnetGroup"]["Subnets"]}, set(aws.subnets["data"].values()))
    same("key of the owner's password", db["MasterUserSecret"]["KmsKeyId"], aws.data_key)
    group = db["DBParameterGroups"][0]["DBParameterGroupName"]
    parameters = {p["ParameterName"]: p.get("ParameterValue") for p in aws("rds").describe_db_parameters(DBParameterGroupName=group)["Parameters"]}
    same("rds.force_ssl", parameters.get("rds.force_ssl"), "1")


@row("ElastiCache Redis: cluster mode disabled, TLS in transit, AUTH, encrypted at rest, failover")
def redis(aws):
    (group,) = aws("elasticache").describe_replication_groups(ReplicationGroupId=aws.name)["ReplicationGroups"]
    want = {
        "ClusterEnabled": False, "TransitEncryptionEnabled": True, "AtRestEncryptionEnabled": True, "AuthTokenEnabled": True,
        "KmsKeyId": aws.data_key, "AutomaticFailover": "enabled", "MultiAZ": "enabled",
    }
    same("group", {k: group.get(k) for k in want}, want)
    same("nodes", len(group["MemberClusters"]), 2)
    (node,) = aws("elasticache").describe_cache_clusters(CacheClusterId=group["MemberClusters"][0])["CacheClusters"]
    same("its group", [aws.groups[g["SecurityGroupId"]] for g in node["SecurityGroups"]], ["redis"])
    (subnets,) = aws("elasticache").describe_cache_subnet_groups(CacheSubnetGroupName=node["CacheSubnetGroupName"])["CacheSubnetGroups"]
    same("its subnets", {s["SubnetIdentifier"] for s in subnets["Subnets"]}, set(aws.subnets["data"].values()))


@row("S3: versioned, encrypted by default, a policy that forces TLS and encryption")
def buckets(aws):
    s3 = aws("s3")
    expected = {aws.bucket("media"): aws.data_key, aws.bucket("logs"): None, aws.state_bucket: aws.keys["autorepost-terraform"]}
    same("buckets", {b["Name"] for b in s3.list_buckets()["Buckets"]}, set(expected))
    for bucket, key in expected.items():
        same(f"{bucket} versioning", s3.get_bucket_versioning(Bucket=bucket).get("Status"), "Enabled")
        rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
        same(f"{bucket} encryption", (rule["SSEAlgorithm"], rule.get("KMSMasterKeyID")), ("aws:kms" if key else "AES256", key))
        ownership = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"][0]["ObjectOwnership"]
        same(f"{bucket} ownership", ownership, "BucketOwnerEnforced")

        # The account's owner asks, who may do all that the bucket's own policy does not refuse.
        policy = statements(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        algorithm, header = "aws:kms" if key else "AES256", "s3:x-amz-server-side-encryption"
        tls = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
        for refused, what, context in (
            (False, "a plain put", tls),
            (False, "a put that names the encryption", {**tls, header: algorithm}),
            (True, "a put without TLS", {"aws:SecureTransport": "false"}),
            (True, "a put over TLS 1.1", {**tls, "s3:TlsVersion": "1.1"}),
            (True, "a put with other encryption", {**tls, header: "AES256" if key else "aws:kms"}),
            (bool(key), "a put with another key", {**tls, header: algorithm, f"{header}-aws-kms-key-id": "arn:aws:kms:us-east-1:1:key/other"}),
        ):
            verdict = decide(policy, "s3:PutObject", f"arn:aws:s3:::{bucket}/x", context, "arn:aws:iam::123456789012:root")
            same(f"{bucket}, {what} refused", verdict == "Deny", refused)

        # The same, really asked: for an object that is not there, and with a write that must not come about.
        for what, url, call, parameters, status in (
            ("a get over TLS", aws.url, "get_object", {}, 404),
            ("a get without TLS", aws.plain_url, "get_object", {}, 403),
            ("a put without TLS", aws.plain_url, "put_object", {"Body": b""}, 403),
            ("a put with other encryption", aws.url, "put_object", {"Body": b"", "ServerSideEncryption": "AES256" if key else "aws:kms"}, 403),
        ):
            same(f"{bucket}, answer to {what}", answer(aws.client("s3", url), call, Bucket=bucket, Key="posture/none", **parameters), status)
    same("log of the media bucket", s3.get_bucket_logging(Bucket=aws.bucket("media"))["LoggingEnabled"]["TargetBucket"], aws.bucket("logs"))


def answer(client, call, **parameters):
    try:
        return getattr(client, call)(**parameters)["ResponseMetadata"]["HTTPStatusCode"]
    except client.exceptions.ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


# ---- Secrets

SERVICE_KEYS = {
    "DATABASE_URL", "REDIS_URL", "TIKTOK_CLIENT_KEY", "TIKTOK_CLIENT_SECRET", "INSTAGRAM_APP_ID", "INSTAGRAM_APP_SECRET",
    "FACEBOOK_APP_ID", "FACEBOOK_APP_SECRET", "YOUTUBE_CLIENT_ID", "YOUTUBE_CLIENT_SECRET", "TWITTER_CONSUMER_KEY",
    "TWITTER_CONSUMER_SECRET", "TWITTER_CLIENT_ID", "TWITTER_CLIENT_SECRET", "PROMETHEUS_PUSH_URL", "SENTRY_DSN",
}
BUNDLES = {
    "api": SERVICE_KEYS | {"S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"},
    "worker": SERVICE_KEYS | {"AUTOREPOST_API_KEY", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"},
    "encryption-key": {"TOKEN_ENCRYPTION_KEY"},
    "tiktok": {"TIKTOK_COOKIE", "TIKTOK_SESSION_ID", "TIKTOK_WEBID"},
}


@row("Secrets Manager: a bundle per service and per environment, with the playbook's keys; rediss://, 32 bytes, no password")
def secrets(aws):
    same("bundles", set(aws.bundles), set(BUNDLES))
    for name, arn in aws.bundles.items():
        same(f"key of {name}", aws("secretsmanager").describe_secret(SecretId=arn)["KmsKeyId"], aws.data_key)
        value = json.loads(aws("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
        same(f"keys of {name}", set(value), BUNDLES[name])
        if "DATABASE_URL" in value:
            assert value["DATABASE_URL"].startswith(f"postgres://autorepost@{aws.database['Endpoint']['Address']}:5432/"), "DATABASE_URL holds a password or leads elsewhere"
            assert value["DATABASE_URL"].endswith("sslmode=verify-full"), "DATABASE_URL does not check the certificate"
            assert value["REDIS_URL"].startswith("rediss://:"), "REDIS_URL is without TLS or AUTH"
        if "TOKEN_ENCRYPTION_KEY" in value:
            same("bytes of TOKEN_ENCRYPTION_KEY", len(base64.b64decode(value["TOKEN_ENCRYPTION_KEY"], validate=True)), 32)
        policy = statements(aws("secretsmanager").get_resource_policy(SecretId=arn)["ResourcePolicy"])
        stranger = decide(policy, "secretsmanager:GetSecretValue", arn, {"aws:PrincipalAccount": "999999999999"})
        same(f"another account reads {name}", stranger, "Deny")


@row("Rotation: the cookie jar weekly, TOKEN_ENCRYPTION_KEY every 90 days, by a function that only Secrets Manager may call")
def rotation(aws):
    schedules = {}
    for name, arn in aws.bundles.items():
        secret = aws("secretsmanager").describe_secret(SecretId=arn)
        if secret.get("RotationEnabled"):
            schedules[name] = secret["RotationRules"]["AutomaticallyAfterDays"]
            assert secret["RotationLambdaARN"].endswith(f":{aws.name}-rotation"), secret["RotationLambdaARN"]
    same("days between rotations", schedules, {"tiktok": 7, "encryption-key": 90})
    function = aws("lambda").get_function_configuration(FunctionName=f"{aws.name}-rotation")
    same("key of its environment", function["KMSKeyArn"], aws.data_key)
    assert function["DeadLetterConfig"]["TargetArn"].endswith("-rotation-failed"), "failures are lost"
    policy = statements(aws("lambda").get_policy(FunctionName=f"{aws.name}-rotation")["Policy"])
    callers = {(s["Principal"]["Service"], s["Condition"]["ArnLike"]["AWS:SourceArn"]) for s in policy}
    same("callers", callers, {("secretsmanager.amazonaws.com", aws.bundles[n]) for n in ("tiktok", "encryption-key")})


# ---- Tasks

TASK_SECRETS = {
    "api": {**dict.fromkeys(SERVICE_KEYS, "api"), "TOKEN_ENCRYPTION_KEY": "encryption-key"},
    "worker": {**dict.fromkeys(SERVICE_KEYS | {"AUTOREPOST_API_KEY"}, "worker"), "TOKEN_ENCRYPTION_KEY": "encryption-key", **dict.fromkeys(BUNDLES["tiktok"], "tiktok")},
}


@row("ECS Fargate services api and worker: read-only root, non-root, init, health check, 60 s to stop, secrets by ARN")
def tasks(aws):
    for name in ("api", "worker"):
        service, (task, containers) = aws.service(name), aws.containers(name)
        same(f"{name} runs on", (service["launchType"], task["requiresCompatibilities"], task["networkMode"]), ("FARGATE", ["FARGATE"], "awsvpc"))
        same(f"{name} containers", sorted(containers), ["app", "collector"])
        for container in containers.values():
            what = f"{name}/{container['name']}"
            same(f"{what} root", container["readonlyRootFilesystem"], True)
            same(f"{what} user", container["user"], "65532:65532")
            same(f"{what} privileged", container["privileged"], False)
            same(f"{what} linux", container["linuxParameters"], {"initProcessEnabled": True, "capabilities": {"add": [], "drop": ["ALL"]}})
            assert ":" in container["image"] and not container["image"].endswith(":latest"), f"{what} runs {container['image']}"
            same(f"{what} logs", container["logConfiguration"]["options"]["awslogs-group"], f"/ecs/{aws.name}-{name}")
        app = containers["app"]
        same(f"{name} command", app["command"], [name])
        same(f"{name} health check", app["healthCheck"]["command"], ["CMD", "/usr/local/bin/autorepost", "healthcheck"])
        same(f"{name} time to stop", app["stopTimeout"], 60)
        same(f"{name} scratch space", app["mountPoints"], [{"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}])
        injected = {s["name"]: s["valueFrom"] for s in app["secrets"]}
        same(f"{name} secrets", injected, {key: f"{aws.bundles[bundle]}:{key}::" for key, bundle in TASK_SECRETS[name].items()})
        same(f"{name} secrets in plain sight", {e["name"] for e in app["environment"]} & {k for b in BUNDLES.values() for k in b}, set())
        same(f"{name} bucket", {e["name"]: e["value"] for e in app["environment"]}["S3_BUCKET"], aws.bucket("media"))
        same(f"{name} authorities of the database", {e["name"]: e["value"] for e in app["environment"]}["DATABASE_CA"], "/etc/ssl/rds.pem")


@row("Autoscaling: worker on the age of the queue, api on requests per task, whichever target group is live")
def scaling(aws):
    scaler = aws("application-autoscaling")
    want = {
        "api": ("RequestCountPerTarget", [{"TargetGroup": g["TargetGroupArn"].split(":")[-1]} for g in aws.target_groups.values()]),
        "worker": ("autorepost_queue_oldest_seconds", [{"service": "worker"}]),
    }
    least, most = (2, {"api": 10, "worker": 20}) if aws.production else (1, {"api": 2, "worker": 3})
    for name, (metric, series) in want.items():
        resource = f"service/{aws.name}/{aws.name}-{name}"
        (target,) = scaler.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[resource])["ScalableTargets"]
        same(f"{name} tasks", (target["MinCapacity"], target["MaxCapacity"]), (least, most[name]))
        (policy,) = scaler.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=resource)["ScalingPolicies"]
        queries = policy["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]["Metrics"]
        stats = [q["MetricStat"]["Metric"] for q in queries if "MetricStat" in q]
        same(f"{name} metric", {s["MetricName"] for s in stats}, {metric})
        found = [{d["Name"]: d["Value"] for d in s["Dimensions"]} for s in stats]
        same(f"{name} series", sorted(found, key=str), sorted(series, key=str))


@row("Deployment: CodeDeploy blue/green of the api, taken back on alarm; the worker task by task, taken back on failure")
def deployment(aws):
    name = f"{aws.name}-api"
    group = aws("codedeploy").get_deployment_group(applicationName=name, deploymentGroupName=name)["deploymentGroupInfo"]
    same("style", group["deploymentStyle"], {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"})
    same("strategy", group["deploymentConfigName"], "CodeDeployDefault.ECSCanary10Percent5Minutes")
    (pair,) = group["loadBalancerInfo"]["targetGroupPairInfoList"]
    same("listener", pair["prodTrafficRoute"]["listenerArns"], [aws.listeners[443]["ListenerArn"]])
    same("target groups", {g["name"] for g in pair["targetGroups"]}, {f"{aws.name}-blue", f"{aws.name}-green"})
    same("service", group["ecsServices"], [{"clusterName": aws.name, "serviceName": name}])
    same("rollback", set(group["autoRollbackConfiguration"]["events"]), {"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"})
    named = {a["name"] for a in group["alarmConfiguration"]["alarms"]}
    there = {a["AlarmName"] for a in aws("cloudwatch").describe_alarms(AlarmNames=sorted(named))["MetricAlarms"]}
    assert named and group["alarmConfiguration"]["enabled"], "no alarm stops a deployment"
    same("alarms that do not exist", named - there, set())
    same("api is deployed by", aws.service("api")["deploymentController"]["type"], "CODE_DEPLOY")
    settings = aws.service("worker")["deploymentConfiguration"]
    same("worker circuit breaker", settings["deploymentCircuitBreaker"], {"enable": True, "rollback": True})
    same("worker during deployment", (settings["minimumHealthyPercent"], settings["maximumPercent"]), (100, 200))


# ---- What is seen

PROGRAM_METRICS = {"queue_oldest_seconds", "reposts_total", "jobs_total", "post_to_published_seconds", "token_expiry_seconds", "key_age_seconds", "budget_remaining"}


@row("CloudWatch: alarms and a dashboard of the program's own metrics, told by SNS")
def alarms(aws):
    topic = f"arn:aws:sns:{aws.REGION}:{aws.ID}:{aws.name}-alarms"
    found = [a for a in aws.all("cloudwatch", "describe_alarms", "MetricAlarms") if a["AlarmName"].startswith(f"{aws.name}-")]
    assert all(a["AlarmActions"] == [topic] and a["AlarmDescription"] for a in found), "an alarm is silent or does not say what it means"
    own = {a["MetricName"].removeprefix("autorepost_") for a in found if a["Namespace"] == aws.name}
    same("metrics with an alarm", own, PROGRAM_METRICS)
    (silent,) = [a for a in found if a["AlarmName"] == f"{aws.name}-queue-age"]
    same("a worker that reports nothing", silent["TreatMissingData"], "breaching")
    dashboard = json.loads(aws("cloudwatch").get_dashboard(DashboardName=aws.name)["DashboardBody"])
    shown = {w["properties"]["metrics"][0][1].removeprefix("autorepost_") for w in dashboard["widgets"]}
    same("metrics not on the dashboard", PROGRAM_METRICS - shown, set())

    attributes = aws("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    same("key of the topic", attributes["KmsMasterKeyId"], aws.logs_key)
    policy = statements(attributes["Policy"])
    for caller, context, verdict in (
        ("cloudwatch.amazonaws.com", {"aws:SourceAccount": aws.ID, "aws:SecureTransport": "true"}, "Allow"),
        ("cloudwatch.amazonaws.com", {"aws:SourceAccount": "999999999999", "aws:SecureTransport": "true"}, None),
        ("cloudwatch.amazonaws.com", {"aws:SourceAccount": aws.ID, "aws:SecureTransport": "false"}, "Deny"),
        ("arn:aws:iam::999999999999:root", {"aws:SecureTransport": "true"}, None),
    ):
        same(f"{caller} publishes", decide(policy, "sns:Publish", topic, context, caller), verdict)
    assert aws("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"], "nobody is told"
    (target,) = aws("events").list_targets_by_rule(Rule=f"{aws.name}-task-stopped")["Targets"]
    same("told of stopped tasks", target["Arn"], topic)


@row("Logs: every group encrypted and kept for at least a year")
def logs(aws):
    groups = {g["logGroupName"]: g for g in aws.all("logs", "describe_log_groups", "logGroups") if aws.name in g["logGroupName"]}
    same("groups", len(groups), 9)
    for name, group in groups.items():
        same(f"key of {name}", group.get("kmsKeyId"), aws.logs_key)
        assert group.get("retentionInDays", 0) >= 365, f"{name} is kept for {group.get('retentionInDays', 'ever')}"


@row("KMS: every key is rotated and belongs to this account alone")
def keys(aws):
    same("keys", set(aws.keys), {f"{aws.name}-data", f"{aws.name}-logs", "autorepost-terraform"})
    for name, key in aws.keys.items():
        assert aws("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"], f"{name} is not rotated"
        policy = statements(aws("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"])
        same(f"another account uses {name}", decide(policy, "kms:Decrypt", key, {}, "arn:aws:iam::999999999999:root"), None)
        service, variable = f"logs.{aws.REGION}.amazonaws.com", "kms:EncryptionContext:aws:logs:arn"
        for account, verdict in ((aws.ID, "Allow"), ("999999999999", None)):
            context = {variable: f"arn:aws:logs:{aws.REGION}:{account}:log-group:x"}
            same(f"logs of {account} use {name}", decide(policy, "kms:Decrypt", key, context, service), verdict if name.endswith("-logs") else None)


@row("Images: immutable tags, scanned, encrypted")
def registry(aws):
    (repository,) = aws("ecr").describe_repositories(repositoryNames=[f"autorepost/{aws.environment}"])["repositories"]
    same("tags", repository["imageTagMutability"], "IMMUTABLE")
    same("scan", repository["imageScanningConfiguration"]["scanOnPush"], True)
    same("encryption", repository["encryptionConfiguration"], {"encryptionType": "KMS", "kmsKey": aws.data_key})


@row("State: encrypted with its own key, locked, protected, without the secrets' values")
def state(aws):
    table = aws("dynamodb").describe_table(TableName=aws.state_bucket)["Table"]
    same("lock table", (table["SSEDescription"]["KMSMasterKeyArn"], table["DeletionProtectionEnabled"]), (aws.keys["autorepost-terraform"], True))
    stored = aws("s3").get_object(Bucket=aws.state_bucket, Key=f"{aws.environment}/terraform.tfstate")
    same("encryption", (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]), ("aws:kms", aws.keys["autorepost-terraform"]))
    text = stored["Body"].read().decode()
    value = json.loads(aws("secretsmanager").get_secret_value(SecretId=aws.bundles["encryption-key"])["SecretString"])["TOKEN_ENCRYPTION_KEY"]
    assert value not in text and base64.b64decode(value).decode() not in text, "TOKEN_ENCRYPTION_KEY is in the state"


@row("Protection: in production neither database nor load balancer can be deleted")
def protection(aws):
    attributes = aws("elbv2").describe_load_balancer_attributes(LoadBalancerArn=aws.load_balancer["LoadBalancerArn"])["Attributes"]
    balancer = {a["Key"]: a["Value"] for a in attributes}["deletion_protection.enabled"]
    same("database and load balancer", (aws.database["DeletionProtection"], balancer), (aws.production, str(aws.production).lower()))


@row("Tags: project, environment and maker on what costs money")
def tags(aws):
    want = {"Project": "autorepost", "Environment": aws.environment, "ManagedBy": "terraform"}
    have = {
        "database": {t["Key"]: t["Value"] for t in aws.database["TagList"]},
        "bucket": {t["Key"]: t["Value"] for t in aws("s3").get_bucket_tagging(Bucket=aws.bucket("media"))["TagSet"]},
        "vpc": {t["Key"]: t["Value"] for t in aws("ec2").describe_vpcs(VpcIds=[aws.vpc])["Vpcs"][0]["Tags"]},
        "key": {t["TagKey"]: t["TagValue"] for t in aws("kms").list_resource_tags(KeyId=aws.data_key)["Tags"]},
        "function": aws("lambda").get_function(FunctionName=f"{aws.name}-rotation")["Tags"],
    }
    for what, found in have.items():
        same(f"{what} tags", {k: found.get(k) for k in want}, want)


def check(aws, rows=None):
    """Runs the rows; returns what is wrong by row, and says nothing of what is right."""
    wrong = {}
    for name, (_, function) in ROWS.items():
        if rows is None or name in rows:
            try:
                function(aws)
            except Exception as error:  # a posture that cannot be read is not a good one
                wrong[name] = f"{type(error).__name__}: {error}" if not isinstance(error, AssertionError) else str(error)
    return wrong

