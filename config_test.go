// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	auditlogexporter "github.com/otel-auditlog/auditlogexporter"
	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/metadata"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
)

func defaultConfig() *auditlogexporter.Config {
	return auditlogexporter.NewFactory().CreateDefaultConfig().(*auditlogexporter.Config)
}

// load reads a case of testdata/config.yaml the way the collector reads its
// configuration.
func load(t *testing.T, cases *confmap.Conf, name string) (*auditlogexporter.Config, error) {
	t.Helper()
	one, err := cases.Sub(name)
	require.NoError(t, err)
	c := defaultConfig()
	if err := one.Unmarshal(c); err != nil {
		return nil, err
	}
	return c, confmap.Validate(c)
}

func loadCases(t *testing.T) *confmap.Conf {
	t.Helper()
	cases, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	return cases
}

// goodCases are the cases of testdata/config.yaml that are to be accepted, as changes
// to the default configuration.
var goodCases = map[string]func(*auditlogexporter.Config){
	"auditlog": func(*auditlogexporter.Config) {},
	"auditlog/full": func(c *auditlogexporter.Config) {
		c.Directory = "/var/lib/otelcol/audit-log"
		c.Origin = "host.example.com/auditlog"
		c.Signing.KeyFile = "/etc/otelcol/audit-log-key.pem"
		c.Signing.PreviousKeyFile = "/etc/otelcol/audit-log-key-2025.pem"
		c.Signing.CheckpointKeyFile = "/etc/otelcol/audit-log-checkpoint-key.pem"
		c.Signing.PreviousCheckpointKeyFile = "/etc/otelcol/audit-log-checkpoint-key-2025.pem"
		c.Signing.RotateKey = "segment"
		c.Signing.KeysFile = "/etc/otelcol/audit-log-keys.yaml"
		c.Signing.Scope = segline.ScopeCheckpoint
		c.Signing.OnFailure = "write_unsigned"
		c.Rotation.MaxSizeMiB = 200
		c.Rotation.MaxAge = 90 * time.Minute
		c.Rotation.Compression = compression.Gzip
		c.Retention.MinAge = 30 * 24 * time.Hour
		c.Retention.MaxSegments = 400
		c.Retention.MaxAge = 400 * 24 * time.Hour
		c.Retention.MaxTotalSizeMiB = 10240
		c.MinFreeSpaceMiB = 1024
		c.Limits.MaxRecords = 2000
		c.Limits.MaxSizeMiB = 16
		c.Limits.MaxInFlightMiB = 48
		c.Limits.MaxLeafBytes = 65535
		c.Limits.OnOversize = "replace"
		c.Witnesses = []auditlogexporter.WitnessConfig{
			{URL: "https://witness.example.com/prefix/", PublicKey: "witness.example.com/w1+b0bfc668+BDCU50txP46at76QGFS8XYxoYFwdwLr3SlnLh9LKFKKY"},
			{URL: "http://127.0.0.1:7380", PublicKey: "witness.example.org/w2+866ddf17+BONmbPOKVsXvYbDL7cw4aWnoereQH6DEnXmYO+yl5kHS"},
		}
		c.WitnessQuorum = 1
		c.WitnessInterval = time.Minute
		c.IngressVerification = "refuse"
		c.Producers = []auditlogexporter.ProducerConfig{
			{Name: "shop", PublicKeyFile: "/etc/otelcol/shop.pub.pem"},
			{Name: "fleet", CertificateFile: "/etc/otelcol/fleet-ca.pem"},
			{Name: "batch", HMACKeyFile: "/etc/otelcol/batch.key"},
		}
		c.Sequences.MaxStreams = 500
		c.Idempotency.MaxEvents = 5000
		c.Idempotency.MaxAge = 36 * time.Hour
		c.Idempotency.OnConflict = "refuse"
		c.Receipts.Directory = "/var/lib/otelcol/audit-receipts"
		c.Receipts.MaxSizeMiB = 20
		c.Receipts.MaxFiles = 0
		c.Mapping.Strict = true
		c.Mapping.UserID = []string{"enduser.id"}
		c.Mapping.Resources = []mapping.ResourcePair{{Type: "asset.kind", ID: "asset.id"}}
		c.Mapping.Targets = []mapping.Target{{Attribute: "order.id", Type: "order"}}
		c.Mapping.Categories["order"] = event.CategoryFileSystem
		c.Timeout = 5 * time.Second
		c.RetryConfig.Enabled = true
		c.RetryConfig.MaxElapsedTime = 0
		queue := c.QueueConfig.GetOrInsertDefault()
		queue.QueueSize = 10
		queue.WaitForResult = true
	},
	"auditlog/partitions": func(c *auditlogexporter.Config) {
		c.Origin = "collector.example.com/pod-0"
		c.PartitionBy = "tenant.id"
		c.MaxPartitions = 1024
		c.Signing.PreviousKeyFile = "audit-log-key-2025.pem"
	},
	"auditlog/no_limits": func(c *auditlogexporter.Config) {
		c.Sync = "never"
		c.Rotation.MaxSizeMiB, c.Rotation.MaxAge, c.Rotation.Compression = 0, 0, compression.None
		c.MinFreeSpaceMiB = 0
	},
	"auditlog/default_queue":        func(c *auditlogexporter.Config) { c.QueueConfig.GetOrInsertDefault() },
	"auditlog/key_beside_directory": func(*auditlogexporter.Config) {},
	"auditlog/no_idempotency":       func(c *auditlogexporter.Config) { c.Idempotency.MaxEvents = 0 },
	"auditlog/ingress_off":          func(c *auditlogexporter.Config) { c.Sequences.MaxStreams = 0 },
	"auditlog/key_in_directory_of_like_name": func(c *auditlogexporter.Config) {
		c.Signing.KeyFile = "audit-log-keys/key.pem"
	},
}

// badCases are those to be refused, with words that the error must have.
var badCases = map[string][]string{
	"auditlog/empty_directory":                           {"directory: "},
	"auditlog/empty_origin":                              {"origin: ", "host.example.com/auditlog"},
	"auditlog/origin_with_space":                         {"origin: ", `"my host/auditlog"`},
	"auditlog/origin_with_plus":                          {"origin: ", `"host+auditlog"`},
	"auditlog/origin_with_line_end":                      {"origin: ", `"host\nauditlog"`},
	"auditlog/origin_like_an_event":                      {"origin: ", `"{host}/auditlog"`},
	"auditlog/empty_key_file":                            {"signing::key_file: "},
	"auditlog/key_in_log_directory":                      {"signing::key_file: ", "audit-log/key.pem"},
	"auditlog/key_below_log_directory":                   {"signing::key_file: "},
	"auditlog/key_is_log_directory":                      {"signing::key_file: "},
	"auditlog/previous_key_in_log_directory":             {"signing::previous_key_file: ", "audit-log/key.pem"},
	"auditlog/previous_key_is_key":                       {"signing::previous_key_file: ", "signing::key_file itself"},
	"auditlog/checkpoint_key_in_log_directory":           {"signing::checkpoint_key_file: ", "audit-log/key.pem"},
	"auditlog/checkpoint_key_is_key":                     {"signing::checkpoint_key_file: ", "signing::key_file itself"},
	"auditlog/previous_checkpoint_key_in_log_directory":  {"signing::previous_checkpoint_key_file: ", "audit-log/key.pem"},
	"auditlog/previous_checkpoint_key_is_checkpoint_key": {"signing::previous_checkpoint_key_file: ", "signing::checkpoint_key_file itself"},
	"auditlog/negative_minimum_age":                      {"retention::min_age: ", "-1h"},
	"auditlog/minimum_age_in_fractions":                  {"retention::min_age: ", "whole seconds", "2s"},
	"auditlog/minimum_age_too_long":                      {"retention::min_age: ", "shorter"},
	"auditlog/minimum_age_above_maximum":                 {"retention::max_age: ", "retention::min_age", "48h"},
	"auditlog/witnesses_of_a_key_that_changes":           {"signing::checkpoint_key_file: ", "signing::rotate_key"},
	"auditlog/witness_without_tls":                       {"witnesses[0]::url: ", "without TLS", "https"},
	"auditlog/witness_without_url":                       {"witnesses[0]::url: ", "https://witness.example"},
	"auditlog/witness_without_key":                       {"witnesses[0]::public_key: ", "name+hash+key"},
	"auditlog/witness_with_a_logs_key":                   {"witnesses[0]::public_key: ", "type 4"},
	"auditlog/witness_twice":                             {"witnesses[1]::public_key: ", "witness.example.com/w1", "witnesses[0]"},
	"auditlog/quorum_without_witnesses":                  {"witness_quorum: ", "1 of 0"},
	"auditlog/negative_quorum":                           {"witness_quorum: ", "-1"},
	"auditlog/no_witness_interval":                       {"witness_interval: ", "0s", "10s"},
	"auditlog/no_partitions":                             {"max_partitions: ", "1 to 1024"},
	"auditlog/too_many_partitions":                       {"max_partitions: ", "1025"},
	"auditlog/origin_too_long_for_partitions":            {"origin: ", "partition_by", "shorter"},
	"auditlog/partitions_of_a_key_that_changes":          {"signing::rotate_key: ", "partition_by", "never"},
	"auditlog/partitions_with_witnesses":                 {"witnesses: ", "partition_by", "checkpoints"},
	"auditlog/unknown_ingress_verification":              {"ingress_verification: ", `"check"`, "off", "mark", "refuse"},
	"auditlog/ingress_as_map":                            {"ingress_verification"},
	"auditlog/nobody_trusted":                            {"producers: ", "mark", "name a producer"},
	"auditlog/producers_in_vain":                         {"producers: ", "ingress_verification is off"},
	"auditlog/producer_without_name":                     {"producers[0]: name: ", "shop-frontend"},
	"auditlog/producer_with_a_hostile_name":              {"producers[0]: name: "},
	"auditlog/producer_without_key":                      {"producers[0]: ", "public_key_file"},
	"auditlog/producer_with_two_keys":                    {"producers[0]: ", "2 files"},
	"auditlog/producer_with_one_key_twice":               {"producers[0]: ", "2 files"},
	"auditlog/producer_twice":                            {"producers[1]: ", `"shop"`, "producers[0]"},
	"auditlog/negative_events":                           {"idempotency::max_events: ", "-1"},
	"auditlog/too_many_events":                           {"idempotency::max_events: ", "1000000000"},
	"auditlog/negative_memory":                           {"idempotency::max_age: ", "-1h"},
	"auditlog/unknown_conflict":                          {"idempotency::on_conflict: ", `"ignore"`, "refuse", "record"},
	"auditlog/receipts_in_the_log":                       {"receipts::directory: ", "audit-log/receipts", "/var/lib/otelcol/audit-receipts"},
	"auditlog/log_in_the_receipts":                       {"receipts::directory: ", "lie in one another"},
	"auditlog/key_in_the_receipts":                       {"signing::key_file: ", "handed out"},
	"auditlog/receipts_of_what_is_not_synced":            {"receipts::directory: ", "sync is never", "write always"},
	"auditlog/receipts_of_no_size":                       {"receipts::max_size_mib: 0: ", "such as 100"},
	"auditlog/receipts_of_negative_size":                 {"receipts::max_size_mib: -1: ", "such as 100"},
	"auditlog/negative_files":                            {"receipts::max_files: ", "-1"},
	"auditlog/negative_streams":                          {"sequences::max_streams: ", "-1"},
	"auditlog/too_many_streams":                          {"sequences::max_streams: ", "1000000000"},
	"auditlog/unknown_rotate_key":                        {"signing::rotate_key: ", `"daily"`, "never", "segment"},
	"auditlog/unknown_scope":                             {"signing::scope: ", `"batch"`, "event", "checkpoint"},
	"auditlog/unknown_on_failure":                        {"signing::on_failure: ", `"drop"`, "refuse", "write_unsigned"},
	"auditlog/unknown_sync":                              {"sync: ", `"sometimes"`, "always", "never"},
	"auditlog/negative_max_size":                         {"rotation::max_size_mib: ", "-1"},
	"auditlog/huge_max_size":                             {"rotation::max_size_mib: "},
	"auditlog/negative_rotation_age":                     {"rotation::max_age: ", "-1h0m0s"},
	"auditlog/unknown_compression":                       {"rotation::compression: ", `"lz4"`, "zstd", "gzip", "none"},
	"auditlog/negative_max_segments":                     {"retention::max_segments: ", "-3"},
	"auditlog/negative_retention_age":                    {"retention::max_age: ", "-24h0m0s"},
	"auditlog/negative_total_size":                       {"retention::max_total_size_mib: ", "-5"},
	"auditlog/total_size_below_one_segment":              {"retention::max_total_size_mib: ", "99", "100", "rotation::max_size_mib"},
	"auditlog/retention_without_rotation":                {"retention: ", "rotation::max_size_mib", "rotation::max_age"},
	"auditlog/negative_free_space":                       {"min_free_space_mib: ", "-64"},
	"auditlog/negative_timeout":                          {"timeout"},
	"auditlog/unknown_category":                          {"mapping", "categories[order]: ", `"money"`, "system_health"},
	"auditlog/bad_category_prefix":                       {"mapping", "categories[order.]: "},
	"auditlog/empty_attribute_name":                      {"mapping", "user_id[0]: "},
	"auditlog/half_a_resource":                           {"mapping", "resources[0]: "},
	"auditlog/queue_without_size":                        {"sending_queue", "queue_size"},
	"auditlog/several_wrong":                             {"directory: ", "sync: ", "rotation::max_size_mib: ", "rotation::compression: "},
	"auditlog/unknown_key":                               {"directry"},
	"auditlog/unknown_nested_key":                        {"rotation", "max_size"},
	"auditlog/size_with_unit":                            {"rotation.max_size_mib"},
	"auditlog/age_without_unit":                          {"rotation::max_age: ", "90d"},
	"auditlog/witness_with_two_names":                    {"witnesses[1]::public_key: ", "witness.example.com/w1", "one witness"},
	"auditlog/no_records":                                {"limits::max_records: ", "such as 100000"},
	"auditlog/too_many_records":                          {"limits::max_records: ", "1 to 10000000"},
	"auditlog/no_size":                                   {"limits::max_size_mib: ", "such as 64"},
	"auditlog/no_room":                                   {"limits::max_in_flight_mib: ", "such as 256"},
	"auditlog/less_room_than_a_call":                     {"limits::max_in_flight_mib: ", "limits::max_size_mib is 64"},
	"auditlog/small_leaves":                              {"limits::max_leaf_bytes: ", "1024 to 33554432", "65535"},
	"auditlog/large_leaves":                              {"limits::max_leaf_bytes: ", "1024 to 33554432"},
	"auditlog/unknown_oversize":                          {"limits::on_oversize: ", `"cut"`, "refuse", "replace"},
	"auditlog/origin_of_an_unset_variable":               {"origin: ", "variable", "host.example.com/auditlog"},
	"auditlog/origin_begins_with_a_slash":                {"origin: ", "variable"},
	"auditlog/origin_with_an_empty_part":                 {"origin: ", "variable"},
	"auditlog/directory_of_an_unset_variable":            {"directory: ", "variable"},
	"auditlog/directory_with_an_empty_part":              {"directory: ", "variable"},
	"auditlog/retention_without_unit":                    {"retention::max_age: ", "90d"},
	"auditlog/rotation_without_unit":                     {"rotation::max_age: ", "24h"},
	"auditlog/timeout_without_unit":                      {"timeout: ", "5s"},
	"auditlog/fraction_of_a_mebibyte":                    {"rotation::max_size_mib: ", "write 1 or a larger one"},
}

func TestConfigurationIsRead(t *testing.T) {
	cases := loadCases(t)
	for name, change := range goodCases {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, cases, name)
			require.NoError(t, err)
			want := defaultConfig()
			change(want)
			assert.Equal(t, want, got)
		})
	}
}

func TestWrongConfigurationIsRefusedByKey(t *testing.T) {
	cases := loadCases(t)
	for name, words := range badCases {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, cases, name)
			require.Error(t, err)
			for _, word := range words {
				assert.ErrorContains(t, err, word)
			}
		})
	}
}

// Each problem is one line, and is there once: the collector, too, validates the
// parts of a configuration that can be.
func TestEachProblemIsReportedOnce(t *testing.T) {
	cases := loadCases(t)
	for name, lines := range map[string]int{
		"auditlog/key_in_log_directory": 1,
		"auditlog/unknown_category":     1,
		"auditlog/half_a_resource":      1,
		"auditlog/several_wrong":        4,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, cases, name)
			require.Error(t, err)
			assert.Len(t, strings.Split(err.Error(), "\n"), lines, "%v", err)
		})
	}
}

func TestEveryCaseOfTheFileIsTested(t *testing.T) {
	var tested []string
	tested = slices.AppendSeq(tested, maps.Keys(goodCases))
	tested = slices.AppendSeq(tested, maps.Keys(badCases))
	assert.ElementsMatch(t, slices.Collect(maps.Keys(loadCases(t).ToStringMap())), tested)
}

func TestDefaultsAreTheSafeOnes(t *testing.T) {
	c := defaultConfig()
	assert.Equal(t, "audit-log", c.Directory)
	assert.Equal(t, "audit-log-key.pem", c.Signing.KeyFile)
	assert.Empty(t, c.Signing.CheckpointKeyFile)
	assert.Empty(t, c.Witnesses, "nothing leaves the machine unless asked for")
	assert.Zero(t, c.WitnessQuorum)
	assert.Equal(t, 10*time.Second, c.WitnessInterval)
	assert.Empty(t, c.PartitionBy)
	assert.Equal(t, 64, c.MaxPartitions)
	assert.Equal(t, segline.ScopeEvent, c.Signing.Scope)
	assert.EqualValues(t, "refuse", c.Signing.OnFailure)
	assert.EqualValues(t, "always", c.Sync)
	assert.EqualValues(t, 50, c.Rotation.MaxSizeMiB)
	assert.Equal(t, 24*time.Hour, c.Rotation.MaxAge)
	assert.Equal(t, compression.Zstd, c.Rotation.Compression)
	assert.Zero(t, c.Retention, "nothing is deleted unless asked for")
	assert.EqualValues(t, 64, c.MinFreeSpaceMiB)
	assert.False(t, c.Mapping.Strict)
	assert.Zero(t, c.Timeout)
	assert.False(t, c.RetryConfig.Enabled)
	assert.False(t, c.QueueConfig.HasValue(), "a queue acknowledges before the log is written")
	assert.Empty(t, c.Origin, "it is made of the machine's name and the component's")
}

func TestFactory(t *testing.T) {
	f := auditlogexporter.NewFactory()
	assert.Equal(t, metadata.Type, f.Type())
	assert.Equal(t, component.StabilityLevelAlpha, f.LogsStability())
	assert.Equal(t, component.StabilityLevelUndefined, f.MetricsStability())
	assert.Equal(t, component.StabilityLevelUndefined, f.TracesStability())
}
