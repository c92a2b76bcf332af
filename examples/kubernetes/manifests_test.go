// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// kinds are the objects that manifests may hold.
var kinds = map[string]func() metav1.Object{
	"v1/Namespace":                       func() metav1.Object { return new(corev1.Namespace) },
	"v1/ConfigMap":                       func() metav1.Object { return new(corev1.ConfigMap) },
	"v1/Service":                         func() metav1.Object { return new(corev1.Service) },
	"apps/v1/StatefulSet":                func() metav1.Object { return new(appsv1.StatefulSet) },
	"apps/v1/DaemonSet":                  func() metav1.Object { return new(appsv1.DaemonSet) },
	"policy/v1/PodDisruptionBudget":      func() metav1.Object { return new(policyv1.PodDisruptionBudget) },
	"networking.k8s.io/v1/NetworkPolicy": func() metav1.Object { return new(networkingv1.NetworkPolicy) },
}

// objects reads all manifests; a field that the API does not know is an error.
func objects(t *testing.T) (all []metav1.Object) {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no manifests: ", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			var of metav1.TypeMeta
			if err := yaml.Unmarshal(document, &of); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			make := kinds[of.APIVersion+"/"+of.Kind]
			if make == nil {
				t.Fatalf("%s: unknown kind %s %s", file, of.APIVersion, of.Kind)
			}
			object := make()
			if err := yaml.UnmarshalStrict(document, object); err != nil {
				t.Fatalf("%s: %s: %v", file, of.Kind, err)
			}
			all = append(all, object)
		}
	}
	return all
}

func gateway(t *testing.T) *appsv1.StatefulSet {
	t.Helper()
	for _, object := range objects(t) {
		if s, ok := object.(*appsv1.StatefulSet); ok {
			return s
		}
	}
	t.Fatal("no StatefulSet")
	return nil
}

// The pods are admitted under the restricted standard, which their namespace enforces.
func TestRestricted(t *testing.T) {
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pod := gateway(t).Spec.Template
	for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
		}
	}
	// The check can fail.
	pod.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
	if slices.IndexFunc(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec), func(r policy.CheckResult) bool { return !r.Allowed }) < 0 {
		t.Error("a pod that may gain privileges was admitted")
	}
	namespaces := map[string]bool{}
	for _, object := range objects(t) {
		if n, ok := object.(*corev1.Namespace); ok {
			namespaces[n.Name] = true
			if n.Name == gateway(t).Namespace && n.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
				t.Errorf("the namespace %s enforces nothing", n.Name)
			}
		}
	}
	for _, object := range objects(t) {
		if _, ok := object.(*corev1.Namespace); !ok && !namespaces[object.GetNamespace()] {
			t.Errorf("%s is in the namespace %q", object.GetName(), object.GetNamespace())
		}
	}
}

// The agent keeps to the restricted standard but for what keeps its log on the node: the
// hostPath, the port on the node, and the container that makes the directory.
func TestAgent(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, object := range objects(t) {
		d, ok := object.(*appsv1.DaemonSet)
		if !ok {
			continue
		}
		found = true
		pod := d.Spec.Template
		if surge := d.Spec.UpdateStrategy.RollingUpdate.MaxSurge; surge == nil || surge.IntValue() != 0 {
			t.Error("two pods of a node may write one log")
		}
		if token := pod.Spec.AutomountServiceAccountToken; token == nil || *token {
			t.Error("the pod has a token for the API")
		}
		directory := pod.Spec.InitContainers[0].SecurityContext
		if got := directory.Capabilities; !slices.Equal(got.Drop, []corev1.Capability{"ALL"}) || !slices.Equal(got.Add, []corev1.Capability{"CHOWN", "FOWNER"}) {
			t.Errorf("the directory is made with %v", got)
		}
		var volumes []corev1.Volume
		for _, v := range pod.Spec.Volumes {
			if v.HostPath == nil {
				volumes = append(volumes, v)
			}
		}
		pod.Spec.Volumes, pod.Spec.InitContainers = volumes, nil
		for i := range pod.Spec.Containers {
			for j := range pod.Spec.Containers[i].Ports {
				pod.Spec.Containers[i].Ports[j].HostPort = 0
			}
		}
		restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
		for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
			if !result.Allowed {
				t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
		if m, err := metav1.LabelSelectorAsSelector(d.Spec.Selector); err != nil || m.Empty() || !m.Matches(labelsOf(pod.Labels)) {
			t.Error("the DaemonSet does not select its own pods")
		}
	}
	if !found {
		t.Error("no DaemonSet")
	}
}

// What the standard does not ask for, and a log does.
func TestGateway(t *testing.T) {
	s := gateway(t)
	pod := s.Spec.Template.Spec
	if token := pod.AutomountServiceAccountToken; token == nil || *token {
		t.Error("the pod has a token for the API")
	}
	if len(s.Spec.VolumeClaimTemplates) != 2 {
		t.Error("the log and its state have a volume each: if they shared one, both would be missing at once")
	}
	for _, claim := range s.Spec.VolumeClaimTemplates {
		if !slices.Equal(claim.Spec.AccessModes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}) {
			t.Errorf("the volume %s must have one writer", claim.Name)
		}
	}
	if keep := s.Spec.PersistentVolumeClaimRetentionPolicy; keep == nil || keep.WhenDeleted != appsv1.RetainPersistentVolumeClaimRetentionPolicyType || keep.WhenScaled != keep.WhenDeleted {
		t.Error("logs go when the StatefulSet does")
	}
	mounts := map[string]string{}
	for _, c := range append(slices.Clone(pod.InitContainers), pod.Containers...) {
		if read := c.SecurityContext.ReadOnlyRootFilesystem; read == nil || !*read {
			t.Errorf("the root file system of %s can be written", c.Name)
		}
		if _, limited := c.Resources.Limits[corev1.ResourceMemory]; !limited {
			t.Errorf("the memory of %s has no limit", c.Name)
		}
		for _, m := range c.VolumeMounts {
			mounts[c.Name+" "+m.Name] = m.MountPath
		}
	}
	if _, shown := mounts["otelcol secret"]; shown {
		t.Error("the collector sees all replicas' keys")
	}
	var config string
	for _, object := range objects(t) {
		if c, ok := object.(*corev1.ConfigMap); ok && c.Namespace == s.Namespace {
			config = c.Data["config.yaml"]
		}
		if p, ok := object.(*policyv1.PodDisruptionBudget); ok && !selects(p.Spec.Selector, s) {
			t.Error("the disruption budget is of other pods")
		}
		if p, ok := object.(*networkingv1.NetworkPolicy); ok && !selects(&p.Spec.PodSelector, s) {
			t.Error("the network policy is of other pods")
		}
	}
	if !selects(s.Spec.Selector, s) {
		t.Error("the StatefulSet does not select its own pods")
	}
	for _, path := range []string{mounts["otelcol log"] + "/", mounts["otelcol keys"] + "/", mounts["otelcol state"] + "/"} {
		if path == "/" || !strings.Contains(config, ": "+path) {
			t.Errorf("the configuration does not use %q", path)
		}
	}
}

// Pods are asked whether they are ready, by a health check that knows how the log is, and never
// ended for what it answers: a start does not make a disk larger, and loses what receivers hold.
func TestProbes(t *testing.T) {
	pods := 0
	for _, object := range objects(t) {
		var pod corev1.PodSpec
		switch o := object.(type) {
		case *appsv1.StatefulSet:
			pod = o.Spec.Template.Spec
		case *appsv1.DaemonSet:
			pod = o.Spec.Template.Spec
		case *corev1.ConfigMap:
			for _, want := range []string{"use_v2: true", "include_permanent_errors: true", "include_recoverable_errors: true", "recovery_duration: 10s"} {
				if !strings.Contains(o.Data["config.yaml"], want) {
					t.Errorf("the health check of %s lacks %s", o.Namespace, want)
				}
			}
			continue
		default:
			continue
		}
		for _, c := range pod.Containers {
			pods++
			if c.LivenessProbe != nil || c.StartupProbe != nil {
				t.Errorf("a probe ends %s of %s", c.Name, object.GetNamespace())
			}
			if c.ReadinessProbe == nil || c.ReadinessProbe.HTTPGet == nil || c.ReadinessProbe.HTTPGet.Port.String() != "health" {
				t.Errorf("%s of %s is not asked whether it is ready", c.Name, object.GetNamespace())
			}
			if !slices.Contains(c.Args, "--feature-gates=+extension.healthcheck.useComponentStatus") {
				t.Errorf("the health check of %s does not know how its log is", object.GetNamespace())
			}
		}
	}
	if pods != 2 {
		t.Errorf("%d pods, not the gateway's and the agent's", pods)
	}
}

func selects(selector *metav1.LabelSelector, s *appsv1.StatefulSet) bool {
	m, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && !m.Empty() && m.Matches(labelsOf(s.Spec.Template.Labels))
}

// labelsOf are labels as a selector looks at them.
type labelsOf map[string]string

func (l labelsOf) Has(label string) bool { _, has := l[label]; return has }

func (l labelsOf) Get(label string) string { return l[label] }

func (l labelsOf) Lookup(label string) (string, bool) { v, has := l[label]; return v, has }

// Names of files and addresses in commands must be those of the mounts.
func TestKeysAreCopiedForTheCollector(t *testing.T) {
	pod := gateway(t).Spec.Template.Spec
	command := strings.Join(pod.InitContainers[0].Args, " ")
	if !strings.Contains(command, "umask 077") || !strings.Contains(command, `"/secret/$POD_NAME.pem" /run/keys/audit-log-key.pem`) {
		t.Errorf("the key is copied by %q", command)
	}
}
