"""AWS on loopback: moto, with what it lacks for this infrastructure. stand_in.py CERTIFICATE KEY prints both its addresses.

Two listeners serve one state, so that a test can ask with TLS and without. Each section below says what moto does otherwise.
"""
import json
import os
import sys
import threading
import traceback
from types import SimpleNamespace

os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

from flask import request
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.awslambda.models import LambdaFunction
from moto.codedeploy import responses as codedeploy
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.elasticache.exceptions import ElastiCacheException
from moto.elasticache.models import ElastiCacheBackend, ReplicationGroup
from moto.elasticache.responses import ElastiCacheResponse
from moto.iam.access_control import PermissionResult
from moto.kms.responses import KmsResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.rds.models import RDSBackend
from moto.rds.responses import RDSResponse
from moto.s3 import models as s3
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from policy import as_list, decide, matches, statements


def replaces(owner):
    """Puts the function in the place of `owner`'s method of the same name, which it gets as its first argument."""

    def put(function):
        old = getattr(owner, function.__name__, None)
        setattr(owner, function.__name__, lambda *args, **named: function(old, *args, **named))

    return put


# What moto does not know or stumbles over is a 500, which clients ask again for minutes; here it is a refusal.
@replaces(BaseResponse)
def call_action(old, self):
    try:
        return old(self)
    except (HTTPException, ServiceException):
        raise
    except Exception as error:
        traceback.print_exc()
        message = f"the stand-in cannot do {self.service_name} {self._get_action()}: {error!r}"
        return 400, {"status": 400}, json.dumps({"__type": "StandIn", "message": message})


# ---- S3: moto ignores the conditions of a bucket's policy, and so takes "deny without TLS" for "deny".
@replaces(s3.FakeBucket)
def get_permission(_, self, action, resource):
    context = {"aws:SecureTransport": str(request.is_secure)}
    if request.is_secure:
        context["s3:TlsVersion"] = "1.2"
    for header in ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"):
        if header in request.headers:
            context[f"s3:{header}"] = request.headers[header]
    verdict = decide(statements(self.policy), action, resource, context) if self.policy else None
    return {"Deny": PermissionResult.DENIED, "Allow": PermissionResult.PERMITTED}.get(verdict, PermissionResult.NEUTRAL)


# It stumbles over the principal "*" when a bucket is to receive logs.
def _log_permissions_enabled_policy(target_bucket, target_prefix):
    path = f"arn:aws:s3:::{target_bucket.name}/{target_prefix or ''}log"
    return any(
        s["Effect"] == "Allow"
        and s["Principal"] == {"Service": "logging.s3.amazonaws.com"}
        and "s3:PutObject" in as_list(s["Action"])
        and any(matches(r, path) for r in as_list(s["Resource"]))
        for s in (statements(target_bucket.policy) if target_bucket.policy else [])
    )


s3.FakeBucket._log_permissions_enabled_policy = staticmethod(_log_permissions_enabled_policy)
# It cannot empty a bucket that has delete markers.
s3.FakeDeleteMarker.dispose = lambda self, garbage=False: None


# ---- ElastiCache: no parameter groups, no nodes of a replication group, no end of a deletion.
class NoSuchParameterGroup(ElastiCacheException):
    code = "CacheParameterGroupNotFound"


parameter_groups = {}


def parameter_group(response):
    name = response._get_param("CacheParameterGroupName")
    if name not in parameter_groups:
        raise NoSuchParameterGroup(f"CacheParameterGroup {name} not found.")
    return parameter_groups[name]


@replaces(ElastiCacheResponse)
def create_cache_parameter_group(_, self):
    backend, name = self.elasticache_backend, self._get_param("CacheParameterGroupName")
    description = {key: self._get_param(key) for key in ("CacheParameterGroupName", "CacheParameterGroupFamily", "Description")}
    description["ARN"] = f"arn:aws:elasticache:{backend.region_name}:{backend.account_id}:parametergroup:{name}"
    parameter_groups[name] = SimpleNamespace(description=description, parameters={})
    backend.tagging_service.tag_resource(description["ARN"], self._get_param("Tags") or [])
    return ActionResult({"CacheParameterGroup": description})


@replaces(ElastiCacheResponse)
def describe_cache_parameter_groups(_, self):
    return ActionResult({"CacheParameterGroups": [parameter_group(self).description]})


@replaces(ElastiCacheResponse)
def modify_cache_parameter_group(_, self):
    group = parameter_group(self)
    group.parameters.update({p["ParameterName"]: p["ParameterValue"] for p in self._get_param("ParameterNameValues")})
    return ActionResult({"CacheParameterGroupName": group.description["CacheParameterGroupName"]})


@replaces(ElastiCacheResponse)
def reset_cache_parameter_group(_, self):
    group = parameter_group(self)
    group.parameters.clear()
    return ActionResult({"CacheParameterGroupName": group.description["CacheParameterGroupName"]})


@replaces(ElastiCacheResponse)
def describe_cache_parameters(_, self):
    parameters = parameter_group(self).parameters.items()
    return ActionResult({"Parameters": [{"ParameterName": k, "ParameterValue": v, "Source": "user"} for k, v in parameters]})


@replaces(ElastiCacheResponse)
def delete_cache_parameter_group(_, self):
    del parameter_groups[parameter_group(self).description["CacheParameterGroupName"]]
    return EmptyResult()


@replaces(ElastiCacheResponse)
def delete_cache_subnet_group(_, self):
    self.elasticache_backend.cache_subnet_groups.pop(self._get_param("CacheSubnetGroupName"), None)
    return EmptyResult()


@replaces(ElastiCacheBackend)
def list_tags_for_resource(old, self, arn):
    return self.tagging_service.list_tags_for_resource(arn) if ":parametergroup:" in arn else old(self, arn)


@replaces(ReplicationGroup)
def _set_node_members_clusters_disabled(old, self, **settings):
    replicas = settings["replicas_per_node_group"] or (settings["num_cache_clusters"] or 1) - 1
    old(self, **{**settings, "replicas_per_node_group": replicas})


@replaces(ElastiCacheBackend)
def describe_cache_clusters(old, self, cache_cluster_id=None):
    for group in self.replication_groups.values():
        if cache_cluster_id in group.member_clusters:
            node = dict(vars(group))
            node.update(
                cache_cluster_id=cache_cluster_id,
                cache_cluster_status="available",
                num_cache_nodes=1,
                arn=group.arn.replace(":replicationgroup:", ":cluster:") + cache_cluster_id[-4:],
                cache_parameter_group={"CacheParameterGroupName": group.cache_parameter_group_name, "ParameterApplyStatus": "in-sync"},
                security_groups=[{"SecurityGroupId": g, "Status": "active"} for g in group.security_group_ids],
            )
            return [SimpleNamespace(**node)]
    return old(self, cache_cluster_id)


@replaces(ElastiCacheBackend)
def delete_replication_group(old, self, replication_group_id, retain_primary_cluster):
    old(self, replication_group_id, retain_primary_cluster)
    return self.replication_groups.pop(replication_group_id)


# ---- CodeDeploy: no delete, no update, alarms are forgotten.
@replaces(codedeploy)
def _deployment_group_info(old, group):
    return {**old(group), "alarmConfiguration": group.alarm_configuration or {}}


@replaces(codedeploy.CodeDeployResponse)
def delete_application(_, self):
    self.codedeploy_backend.applications.pop(self._get_param("applicationName"), None)
    return EmptyResult()


@replaces(codedeploy.CodeDeployResponse)
def delete_deployment_group(_, self):
    self.codedeploy_backend.deployment_groups[self._get_param("applicationName")].pop(self._get_param("deploymentGroupName"), None)
    return ActionResult({"hooksNotCleanedUp": []})


@replaces(codedeploy.CodeDeployResponse)
def update_deployment_group(_, self):
    group = self.codedeploy_backend.get_deployment_group(self._get_param("applicationName"), self._get_param("currentDeploymentGroupName"))
    for parameter, attribute in {"autoRollbackConfiguration": "auto_rollback_configuration", "alarmConfiguration": "alarm_configuration"}.items():
        if (value := self._get_param(parameter)) is not None:
            setattr(group, attribute, value)
    return ActionResult({"hooksNotCleanedUp": []})


# ---- Settings that are accepted, and forgotten.
SecurityGroupRule.description = property(lambda self: (self.ip_range or {}).get("Description") or (self.source_group or {}).get("Description"))


@replaces(KmsResponse)
def enable_key_rotation(old, self):
    rotated_key(self).rotation_days = self._get_param("RotationPeriodInDays") or 365
    return old(self)


@replaces(KmsResponse)
def get_key_rotation_status(old, self):
    status = json.loads(old(self))
    return json.dumps({**status, "RotationPeriodInDays": rotated_key(self).rotation_days} if status["KeyRotationEnabled"] else status)


def rotated_key(response):
    return response.kms_backend.keys[response.kms_backend.get_key_id(response._get_param("KeyId"))]


PERFORMANCE_INSIGHTS = {
    "enable_performance_insights": "performance_insights_enabled",
    "performance_insights_kms_key_id": "performance_insights_kms_key_id",
}


@replaces(RDSBackend)
def create_db_instance(old, self, settings):
    instance = old(self, settings)
    for setting, attribute in PERFORMANCE_INSIGHTS.items():
        setattr(instance, attribute, settings.get(setting))
    return instance


@replaces(RDSResponse)
def describe_db_parameters(_, self):
    (group,) = self.backend.describe_db_parameter_groups({"db_parameter_group_name": self.params["DBParameterGroupName"]})
    return ActionResult({"Parameters": [{**p, "Source": "user"} for p in group.parameters.values()]})


@replaces(LambdaFunction)
def __init__(old, self, account_id, spec, *rest, **named):
    old(self, account_id, spec, *rest, **named)
    self.kept = {key: spec[key] for key in ("DeadLetterConfig", "LoggingConfig") if spec.get(key)}


@replaces(LambdaFunction)
def get_configuration(old, self, *rest, **named):
    return {**old(self, *rest, **named), **self.kept}


# It would start Docker. What the function does is not the infrastructure's affair.
@replaces(LambdaFunction)
def _invoke_lambda(_, self, event=None):
    return "null", False, ""


ECS_SETTINGS = {
    "availabilityZoneRebalancing": "availability_zone_rebalancing",
    "deploymentConfiguration": "deployment_configuration",
    "enableExecuteCommand": "enable_execute_command",
    "healthCheckGracePeriodSeconds": "health_check_grace_period_seconds",
}


def keeping_settings(old, self):
    answer = old(self)
    for parameter, attribute in ECS_SETTINGS.items():
        if (value := self._get_param(parameter)) is not None:
            setattr(answer.result["service"], attribute, value)
    return answer


for name in ("create_service", "update_service"):
    keeping_settings.__name__ = name
    replaces(EC2ContainerServiceResponse)(keeping_settings)

scaling_tags = {}


@replaces(ApplicationAutoScalingResponse)
def register_scalable_target(old, self):
    answer = old(self)
    scaling_tags.setdefault(json.loads(answer)["ScalableTargetARN"], {}).update(self._get_param("Tags") or {})
    return answer


@replaces(ApplicationAutoScalingResponse)
def list_tags_for_resource(_, self):  # noqa: F811
    return json.dumps({"Tags": scaling_tags.get(self._get_param("ResourceARN"), {})})


class OneAtATime:
    """moto is not made for threads. And a client that lost an answer asks again under the same number: it gets that answer, not a second effect."""

    def __init__(self, app):
        self.app, self.turn, self.answers = app, threading.Lock(), {}

    def __call__(self, environ, start_response):
        number = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        with self.turn:
            if number in self.answers:
                print("asked again:", environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_AMZ_SDK_REQUEST"), file=sys.stderr, flush=True)
            else:
                head = []
                body = b"".join(self.app(environ, lambda *line: head.append(line[:2])))
                if not number or not head[0][0].startswith("2"):
                    start_response(*head[0])
                    return [body]
                self.answers[number] = (*head[0], body)
            status, headers, body = self.answers[number]
        start_response(status, headers)
        return [body]


def serve(certificate, key):
    app = DomainDispatcherApplication(create_backend_app)
    app.debug = True
    app = OneAtATime(app)
    secure, plain = (
        make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler, ssl_context=tls)
        for tls in ((certificate, key), None)
    )
    os.environ["MOTO_PORT"] = str(secure.port)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    print(f"https://127.0.0.1:{secure.port} http://127.0.0.1:{plain.port}", flush=True)
    secure.serve_forever()


if __name__ == "__main__":
    serve(*sys.argv[1:])
