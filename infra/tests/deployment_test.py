"""Tests of scripts/deployment.py against a small ECS and CodeDeploy in memory: what happens in which order, and the way back; and of
scripts/test-status."""
import importlib.machinery
import importlib.util
import sys
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"
sys.path.insert(0, str(SCRIPTS))
# A script without an extension leaves its bytecode beside itself otherwise.
sys.dont_write_bytecode = True
from deployment import Environment, Failed

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


class Aws:
    """ECS, CodeDeploy and ECR as far as a deployment goes. `breaks` names what does not succeed."""

    def __init__(self, breaks=()):
        self.breaks, self.said, self.time = set(breaks), [], 0
        self.running = {"worker": "worker:1", "api": "api:1"}
        self.definitions = {f"autorepost-staging-{part}": [self.definition(part)] for part in self.running}
        self.rolled, self.tasks = {}, {}

    @staticmethod
    def definition(part):
        app = {"name": "app", "image": f"{REGISTRY}/autorepost/staging:v1", "environment": [{"name": "AUTOREPOST_PUBLIC_URL", "value": "https://api.example.com"}]}
        collector = {"name": "collector", "image": "collector:v1", "environment": []}
        return {"family": f"autorepost-staging-{part}", "containerDefinitions": [app, collector], "taskDefinitionArn": f"{part}:1", "revision": 1, "status": "ACTIVE"}

    def describe_images(self, repositoryName, imageIds):
        assert repositoryName == "autorepost/staging" and imageIds == [{"imageTag": "v2"}]
        return {"imageDetails": [{"imageDigest": "sha256:new"}]}

    def describe_task_definition(self, taskDefinition):
        return {"taskDefinition": self.definitions[taskDefinition][-1]}

    def register_task_definition(self, family, containerDefinitions):
        images = [c["image"] for c in containerDefinitions]
        assert images == [f"{REGISTRY}/autorepost/staging@sha256:new", "collector:v1"], images
        arn = f"{family.rsplit('-', 1)[1]}:{len(self.definitions[family]) + 1}"
        self.definitions[family].append({"family": family, "containerDefinitions": containerDefinitions, "taskDefinitionArn": arn})
        return {"taskDefinition": {"taskDefinitionArn": arn}}

    def describe_services(self, cluster, services):
        part = services[0].rsplit("-", 1)[1]
        if part == "api":
            return {"services": [{"taskSets": [{"status": "PRIMARY", "taskDefinition": self.running["api"]}]}]}
        broken = self.running["worker"] in self.breaks
        deployments = [{"taskDefinition": self.running["worker"], "rolloutState": "FAILED" if broken else "COMPLETED"}]
        return {"services": [{"taskDefinition": self.running["worker"], "deployments": deployments, "networkConfiguration": {"awsvpcConfiguration": {}}}]}

    def run_task(self, overrides, taskDefinition, **_):
        command = overrides["containerOverrides"][0]["command"]
        self.said.append(f"{command[0]} on {taskDefinition}")
        if "start" in self.breaks:
            return {"tasks": [], "failures": [{"reason": "CAPACITY"}]}
        self.tasks["task/t"] = 1 if command[0] in self.breaks else 0
        return {"tasks": [{"taskArn": "task/t"}], "failures": []}

    def describe_tasks(self, cluster, tasks):
        status = "RUNNING" if "end" in self.breaks else "STOPPED"
        return {"tasks": [{"lastStatus": status, "containers": [{"name": "app", "exitCode": self.tasks[tasks[0]]}]}]}

    def update_service(self, cluster, service, taskDefinition):
        self.said.append(f"worker to {taskDefinition}")
        self.running["worker"] = taskDefinition

    def create_deployment(self, revision, **_):
        content = revision["appSpecContent"]["content"]
        self.target = next(d for d in ("api:1", "api:2") if f'"{d}"' in content)
        self.said.append(f"api to {self.target}")
        return {"deploymentId": "d-1"}

    def get_deployment(self, deploymentId):
        if self.target in self.breaks:
            return {"deploymentInfo": {"status": "Failed", "errorInformation": {"message": "an alarm rang"}}}
        self.running["api"] = self.target
        return {"deploymentInfo": {"status": "Succeeded"}}

    def sleep(self, seconds):
        self.time += seconds


def deployed(*breaks):
    aws, words = Aws(breaks), []
    environment = Environment("staging", aws, aws, aws, say=words.append, sleep=aws.sleep, now=lambda: aws.time)
    try:
        environment.deploy("v2")
        return aws, None
    except Failed as failure:
        return aws, str(failure)


class Deployment(unittest.TestCase):
    def test_migrations_come_first_then_worker_then_api_then_smoke(self):
        aws, failure = deployed()
        self.assertIsNone(failure)
        self.assertEqual(aws.said, ["migrate on worker:2", "worker to worker:2", "api to api:2", "smoke on worker:2"])
        self.assertEqual(aws.running, {"worker": "worker:2", "api": "api:2"})

    def test_a_failed_migration_changes_nothing(self):
        for breaks in ("migrate", "start", "end"):
            aws, failure = deployed(breaks)
            self.assertIn({"migrate": "ended with 1", "start": "CAPACITY", "end": "did not end"}[breaks], failure)
            self.assertEqual((aws.said, aws.running), (["migrate on worker:2"], {"worker": "worker:1", "api": "api:1"}))

    def test_workers_that_do_not_stay_are_taken_back_and_the_api_is_left_alone(self):
        aws, failure = deployed("worker:2")
        self.assertIn("do not stay", failure)
        self.assertEqual(aws.said[1:], ["worker to worker:2", "worker to worker:1"])

    def test_an_api_that_rings_an_alarm_takes_the_worker_back(self):
        aws, failure = deployed("api:2")
        self.assertIn("an alarm rang", failure)
        self.assertEqual(aws.said[1:], ["worker to worker:2", "api to api:2", "worker to worker:1"])
        self.assertEqual(aws.running, {"worker": "worker:1", "api": "api:1"})

    def test_a_failed_smoke_test_takes_both_back(self):
        aws, failure = deployed("smoke")
        self.assertIn("`smoke https://api.example.com` ended with 1", failure)
        self.assertEqual(aws.said[3:], ["smoke on worker:2", "api to api:1", "worker to worker:1"])
        self.assertEqual(aws.running, {"worker": "worker:1", "api": "api:1"})


class TestStatus(unittest.TestCase):
    """What `scripts/test-status` makes of a commit's check runs."""

    def report(self, *runs):
        loader = importlib.machinery.SourceFileLoader("test_status", str(SCRIPTS / "test-status"))
        script = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
        loader.exec_module(script)
        return script.report("abc", [dict(zip(("id", "name", "status", "conclusion"), run)) for run in runs])

    def test_the_newest_run_of_each_test_counts(self):
        runs = [(2, "Test / Test", "completed", "success"), (1, "Test / Test", "completed", "failure"), (3, "Deploy", "in_progress", None)]
        self.assertTrue(self.report(*runs)["passed"])
        self.assertFalse(self.report(*runs, (4, "Test", "completed", "failure"))["passed"])
        self.assertFalse(self.report(*runs, (5, "Test / Test", "in_progress", None))["passed"])

    def test_a_commit_without_a_test_has_not_passed(self):
        self.assertEqual(self.report((1, "Advisories", "completed", "success"))["detail"], "no test ran for it")
        self.assertFalse(self.report()["passed"])


if __name__ == "__main__":
    unittest.main()
