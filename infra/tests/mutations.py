"""Ways to break the posture behind Terraform's back. Each names the rows that must notice; no other row may, and all must forgive once it is undone."""
import json
from contextlib import contextmanager

MUTATIONS = {}


def breaks(*rows):
    def add(function):
        MUTATIONS[function.__name__.replace("_", " ")] = (set(rows), contextmanager(function))
        return function

    return add


def group(aws, role):
    return next(g for g, r in aws.groups.items() if r == role)


@breaks("security_groups")
def open_the_database_to_the_internet(aws):
    rule = {"GroupId": group(aws, "db"), "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "CidrIp": "0.0.0.0/0"}
    aws("ec2").authorize_security_group_ingress(**rule)
    yield
    aws("ec2").revoke_security_group_ingress(**rule)


@breaks("database", "public")
def give_the_database_a_public_address(aws):
    aws("rds").modify_db_instance(DBInstanceIdentifier=aws.name, PubliclyAccessible=True, ApplyImmediately=True)
    yield
    aws("rds").modify_db_instance(DBInstanceIdentifier=aws.name, PubliclyAccessible=False, ApplyImmediately=True)


@breaks("database")
def stop_the_backups(aws):
    days = aws.database["BackupRetentionPeriod"]
    aws("rds").modify_db_instance(DBInstanceIdentifier=aws.name, BackupRetentionPeriod=0, ApplyImmediately=True)
    yield
    aws("rds").modify_db_instance(DBInstanceIdentifier=aws.name, BackupRetentionPeriod=days, ApplyImmediately=True)


@breaks("protection")
def let_the_database_be_deleted(aws):
    aws("rds").modify_db_instance(DBInstanceIdentifier=aws.name, DeletionProtection=False, ApplyImmediately=True)
    yield
    aws("rds").modify_db_instance(DBInstanceIdentifier=aws.name, DeletionProtection=True, ApplyImmediately=True)


@breaks("database")
def let_the_database_speak_without_tls(aws):
    name = aws.database["DBParameterGroups"][0]["DBParameterGroupName"]
    parameter = {"ParameterName": "rds.force_ssl", "ApplyMethod": "immediate"}
    aws("rds").modify_db_parameter_group(DBParameterGroupName=name, Parameters=[{**parameter, "ParameterValue": "0"}])
    yield
    aws("rds").modify_db_parameter_group(DBParameterGroupName=name, Parameters=[{**parameter, "ParameterValue": "1"}])


@breaks("buckets")
def let_the_bucket_speak_without_tls(aws):
    policy = aws("s3").get_bucket_policy(Bucket=aws.bucket("media"))["Policy"]
    kept = [s for s in json.loads(policy)["Statement"] if s["Sid"] != "OnlyTls"]
    aws("s3").put_bucket_policy(Bucket=aws.bucket("media"), Policy=json.dumps({"Version": "2012-10-17", "Statement": kept}))
    yield
    aws("s3").put_bucket_policy(Bucket=aws.bucket("media"), Policy=policy)


@breaks("public")
def make_the_bucket_public(aws):
    policy = aws("s3").get_bucket_policy(Bucket=aws.bucket("media"))["Policy"]
    block = aws("s3").get_public_access_block(Bucket=aws.bucket("media"))["PublicAccessBlockConfiguration"]
    everyone = {"Sid": "Everyone", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{aws.bucket('media')}/*"}
    aws("s3").put_public_access_block(Bucket=aws.bucket("media"), PublicAccessBlockConfiguration={**block, "BlockPublicPolicy": False})
    aws("s3").put_bucket_policy(Bucket=aws.bucket("media"), Policy=json.dumps({"Version": "2012-10-17", "Statement": [*json.loads(policy)["Statement"], everyone]}))
    yield
    aws("s3").put_bucket_policy(Bucket=aws.bucket("media"), Policy=policy)
    aws("s3").put_public_access_block(Bucket=aws.bucket("media"), PublicAccessBlockConfiguration=block)


@breaks("buckets")
def encrypt_the_bucket_with_no_key_of_ours(aws):
    rules = aws("s3").get_bucket_encryption(Bucket=aws.bucket("media"))["ServerSideEncryptionConfiguration"]
    weaker = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    aws("s3").put_bucket_encryption(Bucket=aws.bucket("media"), ServerSideEncryptionConfiguration=weaker)
    yield
    aws("s3").put_bucket_encryption(Bucket=aws.bucket("media"), ServerSideEncryptionConfiguration=rules)


@breaks("tls")
def allow_old_tls_on_the_load_balancer(aws):
    arn, policy = aws.listeners[443]["ListenerArn"], aws.listeners[443]["SslPolicy"]
    aws("elbv2").modify_listener(ListenerArn=arn, SslPolicy="ELBSecurityPolicy-2016-08")
    yield
    aws("elbv2").modify_listener(ListenerArn=arn, SslPolicy=policy)


@breaks("tls")
def serve_port_80_instead_of_redirecting(aws):
    listener, target = aws.listeners[80], aws.target_groups["blue"]["TargetGroupArn"]
    aws("elbv2").modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=[{"Type": "forward", "TargetGroupArn": target}])
    yield
    aws("elbv2").modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=[{k: v for k, v in a.items() if k != "Order"} for a in listener["DefaultActions"]])


@breaks("firewall")
def take_the_firewall_off(aws):
    arn = aws.load_balancer["LoadBalancerArn"]
    acl = aws("wafv2").get_web_acl_for_resource(ResourceArn=arn)["WebACL"]["ARN"]
    aws("wafv2").disassociate_web_acl(ResourceArn=arn)
    yield
    aws("wafv2").associate_web_acl(ResourceArn=arn, WebACLArn=acl)


@breaks("grants")
def widen_the_worker(aws):
    """By one action on one other bucket: no wildcard that a search would find."""
    role, statement = f"{aws.name}-worker-task", {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{aws.bucket('logs')}/*"}
    aws("iam").put_role_policy(RoleName=role, PolicyName="more", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    yield
    aws("iam").delete_role_policy(RoleName=role, PolicyName="more")


@breaks("grants")
def attach_an_administrator_to_the_api(aws):
    role, everything = f"{aws.name}-api-task", {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    arn = aws("iam").create_policy(PolicyName="admin", PolicyDocument=json.dumps(everything))["Policy"]["Arn"]
    aws("iam").attach_role_policy(RoleName=role, PolicyArn=arn)
    yield
    aws("iam").detach_role_policy(RoleName=role, PolicyArn=arn)
    aws("iam").delete_policy(PolicyArn=arn)


@breaks("trust")
def let_every_repository_of_the_owner_deploy(aws):
    role = aws.roles["deploy"]
    wider = json.loads(json.dumps(role["AssumeRolePolicyDocument"]).replace("owner/autorepost:", "owner/*:").replace('"StringEquals"', '"StringLike"'))
    aws("iam").update_assume_role_policy(RoleName=role["RoleName"], PolicyDocument=json.dumps(wider))
    yield
    aws("iam").update_assume_role_policy(RoleName=role["RoleName"], PolicyDocument=json.dumps(role["AssumeRolePolicyDocument"]))


@breaks("rotation")
def stop_rotating_the_cookies(aws):
    arn = aws.bundles["tiktok"]
    function = aws("secretsmanager").describe_secret(SecretId=arn)["RotationLambdaARN"]
    aws("secretsmanager").cancel_rotate_secret(SecretId=arn)
    yield
    aws("secretsmanager").rotate_secret(SecretId=arn, RotationLambdaARN=function, RotationRules={"AutomaticallyAfterDays": 7}, RotateImmediately=False)


@breaks("keys")
def stop_rotating_a_key(aws):
    aws("kms").disable_key_rotation(KeyId=aws.data_key)
    yield
    aws("kms").enable_key_rotation(KeyId=aws.data_key, RotationPeriodInDays=365)


@breaks("network")
def lead_the_data_tier_to_the_internet(aws):
    subnet = next(iter(aws.subnets["data"].values()))
    table = next(t for t in aws.in_vpc("describe_route_tables", "RouteTables") if any(a.get("SubnetId") == subnet for a in t["Associations"]))["RouteTableId"]
    gateway = aws("ec2").describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [aws.vpc]}])["InternetGateways"][0]["InternetGatewayId"]
    aws("ec2").create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    yield
    aws("ec2").delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
