"""The Kubernetes manifests and the Containerfile against the program they run: names, ports, probes, times, metrics."""

import json
import os
import pathlib
import re
import subprocess
import unittest

import yaml

SOURCE = pathlib.Path(os.environ["PULMO_SOURCE_DIR"])
BIN = pathlib.Path(os.environ["PULMO_BIN_DIR"])
FOLDER = SOURCE / "deploy/kubernetes"


def load(name):
    return yaml.safe_load((FOLDER / name).read_text())



class Manifests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kustomization = load("kustomization.yaml")
        cls.objects = {name: load(name) for name in cls.kustomization["resources"]}
        cls.deployment = cls.objects["deployment.yaml"]
        cls.pod = cls.deployment["spec"]["template"]["spec"]
        (cls.container,) = cls.pod["containers"]
        # The command line of the pod, and what the server makes of the configuration that it gets.
        cls.image = (SOURCE / "deploy/Containerfile").read_text()
        entry = json.loads(re.search(r"^ENTRYPOINT (\[.*\])$", cls.image, re.M).group(1))
        here = {"/usr/bin/pulmo-serve": BIN / "pulmo-serve", "/etc/pulmo/serve.yaml": FOLDER / "serve.yaml",
                "/models/bundle.pt": SOURCE / "tests/core/model/data/bundle-v1.pt"}
        command = [str(here.get(word, word)) for word in (*entry, *cls.container["args"])]
        done = subprocess.run([*command, "--check"], capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.config = yaml.safe_load(done.stdout)

    def test_every_file_is_used_and_every_object_has_kind_and_name(self):
        files = {path.name for path in FOLDER.glob("*.yaml")}
        self.assertEqual(files - set(self.objects), {"kustomization.yaml", "serve.yaml", "prometheus-adapter-values.yaml"})
        for name, one in self.objects.items():
            self.assertTrue({"apiVersion", "kind", "metadata"} <= set(one), name)
            self.assertRegex(one["metadata"]["name"], r"^pulmo[-a-z]*$")

    def test_selectors_meet_the_labels_of_the_pods(self):
        labels = self.deployment["spec"]["template"]["metadata"]["labels"]
        selectors = [self.deployment["spec"]["selector"]["matchLabels"],
                     self.objects["service.yaml"]["spec"]["selector"],
                     self.objects["disruption-budget.yaml"]["spec"]["selector"]["matchLabels"],
                     self.objects["network-policy.yaml"]["spec"]["podSelector"]["matchLabels"]]
        for selector in selectors:
            self.assertTrue(selector.items() <= labels.items(), selector)
        monitor = self.objects["monitor.yaml"]["spec"]
        self.assertTrue(monitor["selector"]["matchLabels"].items() <= self.objects["service.yaml"]["metadata"]["labels"].items())
        service_ports = {port["name"] for port in self.objects["service.yaml"]["spec"]["ports"]}
        self.assertIn(monitor["endpoints"][0]["port"], service_ports)

    def test_ports_agree(self):
        (port,) = self.container["ports"]
        self.assertEqual(port["containerPort"], self.config["serve"]["port"])
        self.assertEqual(self.config["serve"]["host"], "0.0.0.0")
        self.assertEqual(self.objects["service.yaml"]["spec"]["ports"][0]["targetPort"], port["name"])
        annotations = self.deployment["spec"]["template"]["metadata"]["annotations"]
        self.assertEqual(annotations["prometheus.io/port"], str(port["containerPort"]))

    def test_probes_ask_routes_that_exist(self):
        paths = json.loads((SOURCE / "serving/web/openapi.json").read_text())["paths"]
        for probe, path in (("startupProbe", "/v2/health/live"), ("livenessProbe", "/v2/health/live"),
                            ("readinessProbe", "/v2/health/ready")):
            get = self.container[probe]["httpGet"]
            self.assertEqual((get["path"], get["port"]), (path, self.container["ports"][0]["name"]))
            self.assertIn("get", paths[path])
        self.assertIn("get", paths[self.objects["monitor.yaml"]["spec"]["endpoints"][0]["path"]])

    def test_a_pod_has_the_time_to_answer_what_it_has_begun(self):
        pause = float(self.container["lifecycle"]["preStop"]["exec"]["command"][1])
        grace = self.config["serve"]["shutdown_grace_s"]
        self.assertGreater(self.pod["terminationGracePeriodSeconds"], pause + float(grace) + 5)
        unit = (SOURCE / "packaging/pulmo-serve.service").read_text()
        self.assertGreater(int(re.search(r"TimeoutStopSec=(\d+)", unit).group(1)), float(grace) + 5)

    def test_memory_covers_uploads_and_threads_meet_the_request(self):
        self.assertEqual(self.config["serve"]["model_threads"], int(self.container["resources"]["requests"]["cpu"]))
        limit = int(self.container["resources"]["limits"]["memory"].removesuffix("Gi")) << 30
        decoders = self.config["serve"]["workers"] * self.config["decode"]["memory_bytes"]
        model = 512 << 20
        self.assertGreaterEqual(limit, self.config["limits"]["upload_bytes"] + decoders + model)

    def test_the_pod_is_confined(self):
        self.assertTrue(self.pod["securityContext"]["runAsNonRoot"])
        self.assertFalse(self.pod["automountServiceAccountToken"])
        context = self.container["securityContext"]
        self.assertEqual((context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"],
                          context["capabilities"]["drop"]), (False, True, ["ALL"]))
        mounts = {mount["name"] for mount in self.container["volumeMounts"]}
        self.assertEqual(mounts, {volume["name"] for volume in self.pod["volumes"]})

    def test_the_autoscaler_goes_by_a_metric_that_exists(self):
        scaler = self.objects["autoscaler.yaml"]["spec"]
        self.assertEqual(scaler["scaleTargetRef"]["name"], self.deployment["metadata"]["name"])
        (metric,) = scaler["metrics"]
        name = metric["pods"]["metric"]["name"]
        self.assertIn(f"| `{name}` | gauge |", (SOURCE / "docs/metrics.md").read_text())
        (rule,) = load("prometheus-adapter-values.yaml")["rules"]["custom"]
        self.assertTrue(rule["seriesQuery"].startswith(name + "{"))
        self.assertLess(int(metric["pods"]["target"]["averageValue"]), self.config["batch"]["queue"])
        self.assertGreaterEqual(scaler["minReplicas"], self.objects["disruption-budget.yaml"]["spec"]["minAvailable"] + 1)

    def test_a_client_finds_its_jobs_again(self):
        service = self.objects["service.yaml"]["spec"]
        self.assertGreater(self.objects["autoscaler.yaml"]["spec"]["maxReplicas"], 1)
        self.assertEqual(service["sessionAffinity"], "ClientIP")
        self.assertGreater(service["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"], float(self.config["jobs"]["keep_s"]))

    def test_image_and_version(self):
        version = re.search(r"project\(pulmo VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text()).group(1)
        (image,) = self.kustomization["images"]
        self.assertEqual((image["name"], image["newTag"]), (self.container["image"], version))
        self.assertIn(f"## {version}", (SOURCE / "CHANGELOG.md").read_text())

    def test_the_containerfile_runs_as_the_pod_does(self):
        user = self.pod["securityContext"]["runAsUser"]
        self.assertIn(f"USER {user}:", self.image)
        self.assertIn(f"EXPOSE {self.config['serve']['port']}", self.image)


if __name__ == "__main__":
    unittest.main(verbosity=2)
