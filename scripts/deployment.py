"""A deployment on ECS: migrations, then the worker, then the api, then a smoke test; and the way back. `scripts/deploy` and
`scripts/run-task` use it; infra/tests/deployment_test.py tests it."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

# How long each step may take, in seconds.
TASK_MAX = 30 * 60
WORKER_MAX = 20 * 60
API_MAX = 45 * 60
POLL = 10
PORT = 8787

# What describing a task definition adds to what registering one takes.
ADDED = {"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy", "deregisteredAt"}


def aws_clients():
    """Clients of ECS, CodeDeploy and ECR. Where boto3 is not installed, the script begins again in an environment of its own that has it."""
    try:
        import boto3
    except ModuleNotFoundError:
        scripts = Path(__file__).resolve().parent
        venv = scripts.parent / "target/deployment"
        if Path(sys.prefix) == venv:
            raise
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        wanted = scripts / "deployment-requirements.txt"
        subprocess.run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "--requirement", wanted], check=True)
        os.execv(venv / "bin/python", [str(venv / "bin/python"), *sys.argv])
    # boto3 itself looks at AWS_DEFAULT_REGION only.
    region = os.environ.get("AWS_REGION")
    return [boto3.client(name, region_name=region) for name in ("ecs", "codedeploy", "ecr")]


class Failed(Exception):
    """A step that did not succeed. Its text is for people."""


class Environment:
    """One environment, such as `staging`, and the clients of AWS through which it is changed."""

    def __init__(self, name, ecs, codedeploy, ecr, say=print, sleep=time.sleep, now=time.monotonic):
        self.name = f"autorepost-{name}"
        self.repository = f"autorepost/{name}"
        self.ecs, self.codedeploy, self.ecr = ecs, codedeploy, ecr
        self.say, self.sleep, self.now = say, sleep, now

    def image(self, tag):
        """The image of a tag, named by its digest: a tag says who it was meant to be, a digest what it is."""
        (found,) = self.ecr.describe_images(repositoryName=self.repository, imageIds=[{"imageTag": tag}])["imageDetails"]
        (now,) = (c["image"] for c in self.newest("worker")["containerDefinitions"] if c["name"] == "app")
        registry = now.split("/")[0]
        return f"{registry}/{self.repository}@{found['imageDigest']}"

    def service(self, part):
        found = self.ecs.describe_services(cluster=self.name, services=[f"{self.name}-{part}"])["services"]
        if not found:
            raise Failed(f"there is no service {self.name}-{part}: apply Terraform first")
        return found[0]

    def newest(self, part):
        """The newest definition of a service's task: Terraform's, when it has changed since the last deployment."""
        return self.ecs.describe_task_definition(taskDefinition=f"{self.name}-{part}")["taskDefinition"]

    def register(self, part, image):
        definition = {key: value for key, value in self.newest(part).items() if key not in ADDED}
        for container in definition["containerDefinitions"]:
            if container["name"] == "app":
                container["image"] = image
        return self.ecs.register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"]

    def until(self, what, seconds, look):
        """Asks until there is an answer other than None, and gives it."""
        end = self.now() + seconds
        while (answer := look()) is None:
            if self.now() > end:
                raise Failed(f"{what} did not end within {seconds // 60} minutes")
            self.sleep(POLL)
        return answer

    def run(self, definition, command):
        """Runs the program once with a command, as a task beside the workers, to its end."""
        started = self.ecs.run_task(
            cluster=self.name, taskDefinition=definition, launchType="FARGATE", count=1,
            networkConfiguration=self.service("worker")["networkConfiguration"],
            overrides={"containerOverrides": [{"name": "app", "command": command}]},
        )
        if started.get("failures"):
            raise Failed(f"the task of `{command[0]}` did not start: {started['failures'][0].get('reason')}")
        arn = started["tasks"][0]["taskArn"]
        name = arn.rsplit("/", 1)[1]
        self.say(f"{command[0]}: task {name}, log /ecs/{self.name}-worker app/app/{name}")

        def look():
            (task,) = self.ecs.describe_tasks(cluster=self.name, tasks=[arn])["tasks"]
            return task if task["lastStatus"] == "STOPPED" else None

        task = self.until(f"`{command[0]}`", TASK_MAX, look)
        code = next((c.get("exitCode") for c in task["containers"] if c["name"] == "app"), None)
        if code != 0:
            raise Failed(f"`{' '.join(command)}` ended with {code}: {task.get('stoppedReason', 'no reason was given')}")

    def roll_worker(self, definition):
        """Replaces the workers task by task. ECS itself goes back when the new ones do not stay."""
        self.ecs.update_service(cluster=self.name, service=f"{self.name}-worker", taskDefinition=definition)

        def look():
            ours = next((d for d in self.service("worker")["deployments"] if d["taskDefinition"] == definition), None)
            if ours is None or ours["rolloutState"] == "FAILED":
                return "FAILED"
            return ours["rolloutState"] if ours["rolloutState"] == "COMPLETED" else None

        if self.until("the worker's deployment", WORKER_MAX, look) == "FAILED":
            raise Failed("the new workers do not stay; ECS took them back")

    def shift_api(self, definition):
        """Moves the load balancer to new tasks of the api. CodeDeploy itself goes back when an alarm rings."""
        resource = {"TaskDefinition": definition, "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": PORT}}
        content = json.dumps({"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": resource}}]})
        api = f"{self.name}-api"
        deployment = self.codedeploy.create_deployment(
            applicationName=api, deploymentGroupName=api,
            revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}},
        )["deploymentId"]
        self.say(f"api: deployment {deployment}")

        def look():
            info = self.codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]
            return info if info["status"] in {"Succeeded", "Failed", "Stopped"} else None

        info = self.until("the api's deployment", API_MAX, look)
        if info["status"] != "Succeeded":
            raise Failed(f"the api's deployment {info['status'].lower()}: {info.get('errorInformation', {}).get('message', 'no reason was given')}")

    def url(self):
        environment = {e["name"]: e["value"] for c in self.newest("api")["containerDefinitions"] if c["name"] == "app" for e in c["environment"]}
        return environment["AUTOREPOST_PUBLIC_URL"]

    def running_api(self):
        """The definition of the tasks that have the traffic."""
        sets = self.service("api").get("taskSets", [])
        return next((s["taskDefinition"] for s in sets if s["status"] == "PRIMARY"), self.service("api").get("taskDefinition"))

    def deploy(self, tag):
        """All of it. What fails after something has changed takes it back; migrations stay, for the version before can work with them."""
        image = self.image(tag)
        before = {"worker": self.service("worker")["taskDefinition"], "api": self.running_api()}
        after = {part: self.register(part, image) for part in before}
        self.say(f"image: {image}")
        self.run(after["worker"], ["migrate"])
        api_moved = False
        try:
            self.roll_worker(after["worker"])
            self.shift_api(after["api"])
            api_moved = True
            self.run(after["worker"], ["smoke", self.url()])
        except Failed as failure:
            self.say(f"failed: {failure}; going back")
            if api_moved:
                self.shift_api(before["api"])
            self.roll_worker(before["worker"])
            raise
        self.say(f"{self.name} runs {tag}")
