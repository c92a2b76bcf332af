// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/otel-auditlog/auditlogexporter/internal/compression"
	"github.com/otel-auditlog/auditlogexporter/internal/configvalues"
	"github.com/otel-auditlog/auditlogexporter/internal/cosigning/client"
	"github.com/otel-auditlog/auditlogexporter/internal/ingest"
	"github.com/otel-auditlog/auditlogexporter/internal/ingress"
	"github.com/otel-auditlog/auditlogexporter/internal/mapping"
	"github.com/otel-auditlog/auditlogexporter/internal/partition"
	"github.com/otel-auditlog/auditlogexporter/internal/realpath"
	"github.com/otel-auditlog/auditlogexporter/internal/segline"
	"github.com/otel-auditlog/auditlogexporter/internal/signednote"
	"github.com/otel-auditlog/auditlogexporter/witness"
)

// Config is the configuration of the auditlog exporter. The defaults make an empty
// one work.
type Config struct {
	// TimeoutConfig bounds the time until a call joins a commit. Zero, the default,
	// sets no bound. A commit under way is waited for in any case: a caller that left
	// could not know whether its events are in the log.
	exporterhelper.TimeoutConfig `mapstructure:",squash"`
	// RetryConfig repeats refused calls here instead of leaving that to the client.
	// Off by default.
	RetryConfig configretry.BackOffConfig `mapstructure:"retry_on_failure"`
	// QueueConfig puts a queue before the log. Off by default: a queue acknowledges
	// before the log is written, unless its wait_for_result is set.
	QueueConfig configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`

	// Directory holds the log, and nothing else, or the logs of all partitions. It is made
	// if it does not exist.
	Directory string `mapstructure:"directory"`
	// StateDirectory holds a file that says how far the log has come, or one for each
	// partition: so a Directory that was emptied, is not mounted or was rolled back is
	// noticed at the start. It may be shared by logs of different origins. Empty is the
	// directory of the key file.
	StateDirectory string `mapstructure:"state_directory"`
	// Origin names the log in its checkpoints, for the life of the directory. If it is
	// empty, it is made of the machine's name and the component's: HOST/auditlog for the
	// component auditlog, HOST/auditlog-b for auditlog/b.
	Origin string `mapstructure:"origin"`
	// PartitionBy is the name of a resource attribute. If it is set, each of its values has
	// a log of its own in a directory below Directory (package partition), whose origin is
	// Origin, a slash and the name of that directory. All have the same keys.
	PartitionBy string `mapstructure:"partition_by"`
	// MaxPartitions is how many values have a log of their own. Those that come later share
	// one. It means nothing without PartitionBy.
	MaxPartitions int `mapstructure:"max_partitions"`
	// Signing says with what key and what is signed.
	Signing signingConfig `mapstructure:"signing"`
	// Sync says whether an acknowledgement waits for stable storage: "always", or "never".
	Sync syncMode `mapstructure:"sync"`
	// Rotation says when a segment is sealed, and how it is stored from then on.
	Rotation rotationConfig `mapstructure:"rotation"`
	// Retention says when sealed segments are deleted. By default never.
	Retention retentionConfig `mapstructure:"retention"`
	// MinFreeSpaceMiB is the space, in MiB, that is left free on the file system:
	// calls that would leave less are refused until there is room. 0 does not look.
	MinFreeSpaceMiB int64 `mapstructure:"min_free_space_mib"`
	// Limits bounds what one call, and all of them at a time, may hold and write.
	Limits limitsConfig `mapstructure:"limits"`
	// Mapping says which attributes the members of an event are taken from.
	Mapping mapping.Config `mapstructure:"mapping"`
	// Witnesses are asked to cosign the log's checkpoints (c2sp.org/tlog-witness). No
	// call waits for them.
	Witnesses []WitnessConfig `mapstructure:"witnesses"`
	// WitnessQuorum is how many of them have to cosign a checkpoint for it to count as
	// witnessed: then the file checkpoint has it, and the status is well. 0 means all.
	WitnessQuorum int `mapstructure:"witness_quorum"`
	// WitnessInterval is how often they are asked, if the log grows.
	WitnessInterval time.Duration `mapstructure:"witness_interval"`
	// IngressVerification says whether the proofs that producers put on records are
	// checked, and what comes of it: "off", the default, "mark" or "refuse".
	IngressVerification ingressVerification `mapstructure:"ingress_verification"`
	// Producers are those whose proofs are trusted.
	Producers []ProducerConfig `mapstructure:"producers"`
	// Sequences says how producers' streams are followed.
	Sequences sequencesConfig `mapstructure:"sequences"`
	// Idempotency says how records are known that are sent again.
	Idempotency idempotencyConfig `mapstructure:"idempotency"`
	// Receipts says whether receipts are written, and where.
	Receipts receiptsConfig `mapstructure:"receipts"`
}

const (
	mebibyte = 1 << 20
	// maxMiB is an exbibyte: more than a file system holds, and far from overflow.
	maxMiB = 1 << 40
)

func createDefaultConfig() component.Config {
	retry := configretry.NewDefaultBackOffConfig()
	retry.Enabled = false
	return &Config{
		RetryConfig: retry,
		QueueConfig: configoptional.Default(exporterhelper.NewDefaultQueueConfig()),
		Directory:   "audit-log",
		Signing: signingConfig{
			KeyFile:   "audit-log-key.pem",
			RotateKey: rotateKeyNever,
			Scope:     segline.ScopeEvent,
			OnFailure: onFailureRefuse,
		},
		Sync: syncAlways,
		Rotation: rotationConfig{
			MaxSizeMiB:  50,
			MaxAge:      24 * time.Hour,
			Compression: compression.Zstd,
		},
		MaxPartitions:   64,
		MinFreeSpaceMiB: 64,
		Limits:          defaultLimits(),
		Mapping:         mapping.Default(),
		WitnessInterval: 10 * time.Second,

		IngressVerification: ingressOff,
		Sequences:           sequencesConfig{MaxStreams: defaultStreams},
		Idempotency:         idempotencyConfig{MaxEvents: defaultRemembered, OnConflict: onConflictRecord},
		Receipts:            defaultReceipts(),
	}
}

var _ confmap.Unmarshaler = (*Config)(nil)

// Unmarshal refuses values that confmap would take for something else: a duration without
// a unit, a fraction where a whole number belongs, and an origin that is there and empty,
// which is not meant to be the default.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := configvalues.Unmarshal(conf, c); err != nil {
		return err
	}
	if conf.IsSet("origin") && c.Origin == "" {
		return errors.New("origin: it is empty, as a variable that is not set leaves it: write a name such as host.example.com/auditlog, or leave the key out")
	}
	return nil
}

// Validate reports everything that is wrong, with each key and what to write
// instead. The collector validates the mapping by itself.
func (c *Config) Validate() error {
	var p problems
	switch {
	case c.Directory == "":
		p.add("directory", "it is empty: name the directory that is to hold the log, such as /var/lib/otelcol/audit-log")
	case emptyPart(strings.TrimPrefix(filepath.ToSlash(c.Directory), "/")):
		p.add("directory", "%q has an empty part, as a variable that is not set leaves it: set the variable, or take the slash out", c.Directory)
	}
	c.validateOrigin(&p)
	if c.StateDirectory != "" && within(c.StateDirectory, c.Directory) {
		p.add("state_directory", "%s lies in the log's directory, %s: whatever empties that or puts back an older copy of it would do the same to the state: name a directory elsewhere, on another volume if the log has one of its own, such as /var/lib/otelcol/audit-state", c.StateDirectory, c.Directory)
	}
	if n := c.MaxPartitions; n < 1 || n > maxPartitions {
		p.add("max_partitions", "%d: write how many values of the attribute in partition_by may have a log of their own, 1 to %d", n, maxPartitions)
	}
	c.Signing.validate(&p, c.Directory)
	if c.Sync != syncAlways && c.Sync != syncNever {
		p.add("sync", "unknown word %q: write %s or %s", c.Sync, syncAlways, syncNever)
	}
	c.Rotation.validate(&p)
	c.Retention.validate(&p)
	p.mebibytes("min_free_space_mib", c.MinFreeSpaceMiB, "not to look")
	c.Limits.validate(&p)
	c.validateWitnesses(&p)
	c.validateProducers(&p)
	c.Sequences.validate(&p)
	c.Idempotency.validate(&p)
	c.Receipts.validate(&p)
	c.validateTogether(&p)
	return errors.Join(p...)
}

// validateTogether reports what is good by itself, but not with the rest.
func (c *Config) validateTogether(p *problems) {
	eachSegment := c.Signing.RotateKey == rotateKeySegment
	if c.PartitionBy != "" {
		if err := signednote.ValidateOrigin(c.Origin + "/" + strings.Repeat("x", partition.MaxName)); err != nil && (c.Origin == "" || signednote.ValidateOrigin(c.Origin) == nil) {
			p.add("origin", "it is too long for partition_by, which adds up to %d bytes for each partition: %w: write a shorter name", partition.MaxName+1, err)
		}
		if eachSegment {
			p.add("signing::rotate_key", "%s gives each segment of one log a key, but with partition_by many logs share the key in signing::key_file: write %s, or give each tenant an exporter of its own", rotateKeySegment, rotateKeyNever)
		}
		if len(c.Witnesses) > 0 {
			p.add("witnesses", "a witness must have been told of each log that it follows, but with partition_by logs begin as values of the attribute come: leave witnesses out and keep checkpoints of the logs elsewhere, or give each tenant an exporter of its own")
		}
	}
	if c.Signing.CheckpointKeyFile == "" && len(c.Witnesses) > 0 && eachSegment {
		p.add("signing::checkpoint_key_file", "witnesses know a log by one key, but signing::rotate_key replaces the key of signing::key_file with each segment: name a file for a key that stays, such as /etc/otelcol/audit-log-checkpoint-key.pem")
	}
	if total := c.Retention.MaxTotalSizeMiB; total > 0 && total < c.Rotation.MaxSizeMiB {
		p.add("retention::max_total_size_mib", "%d is less than a single segment may take (rotation::max_size_mib is %d): raise the one or lower the other", total, c.Rotation.MaxSizeMiB)
	}
	if c.Retention.limits() && c.Rotation.MaxSizeMiB == 0 && c.Rotation.MaxAge == 0 {
		p.add("retention", "only sealed segments are ever deleted, and without a limit none is sealed: set rotation::max_size_mib or rotation::max_age")
	}
	receipts := c.Receipts.Directory
	if receipts == "" {
		return
	}
	if within(receipts, c.Directory) || c.Directory != "" && within(c.Directory, receipts) {
		p.add("receipts::directory", "%s and the log's directory, %s, lie in one another: receipts are handed out, so name a directory apart, such as /var/lib/otelcol/audit-receipts", receipts, c.Directory)
	}
	for _, key := range c.Signing.keyFiles() {
		if within(key.path, receipts) {
			p.add(key.name, "%s lies in the directory of the receipts, %s, which are handed out: put the key elsewhere", key.path, receipts)
		}
	}
	if c.Sync == syncNever {
		p.add("receipts::directory", "a receipt promises what is on disk, but sync is %s: write %s there, or leave receipts out", syncNever, syncAlways)
	}
}

// maxPartitions bounds the files that are open: four for each partition, nine with receipts.
const maxPartitions = 1024

// layout says where the logs lie.
func (c *Config) layout() ingest.Layout {
	return ingest.Layout{Directory: c.Directory, StateDirectory: c.stateDirectory(), Origin: c.Origin, PartitionBy: c.PartitionBy, MaxPartitions: c.MaxPartitions}
}

// stateDirectory returns the directory that the state is kept in.
func (c *Config) stateDirectory() string {
	if c.StateDirectory != "" {
		return realpath.Absolute(c.StateDirectory)
	}
	return filepath.Dir(realpath.Absolute(c.Signing.KeyFile))
}

// originFor returns the origin of the log of a component, which differs from that of any
// other component of the collector: a key must not sign two logs of one origin.
func originFor(c *Config, id component.ID) string {
	if c.Origin != "" {
		return c.Origin
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return defaultOrigin(host, id)
}

// defaultOrigin makes an origin of the machine's name and the component's, whatever those
// consist of.
func defaultOrigin(host string, id component.ID) string {
	if host == "" {
		host = "localhost"
	}
	name := "auditlog"
	if id.Name() != "" {
		name += "-" + id.Name()
	}
	origin := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r == '+' || r == '{' || r == '/' || unicode.IsSpace(r) || unicode.IsControl(r) {
			return '-'
		}
		return r
	}, host) + "/" + strings.Map(func(r rune) rune {
		if r == '+' || r == '/' || unicode.IsSpace(r) || unicode.IsControl(r) {
			return '-'
		}
		return r
	}, name)
	if signednote.ValidateOrigin(origin) != nil {
		return "localhost/auditlog"
	}
	return origin
}

func (c *Config) validateOrigin(p *problems) {
	if c.Origin == "" {
		return
	}
	if err := signednote.ValidateOrigin(c.Origin); err != nil {
		p.add("origin", "%w: write a name such as host.example.com/auditlog", err)
	} else if emptyPart(c.Origin) {
		p.add("origin", "%q has an empty part, as a variable that is not set leaves it: set the variable, or write a name such as host.example.com/auditlog", c.Origin)
	}
}

// emptyPart reports whether there is nothing before, between or after the slashes of a
// name.
func emptyPart(name string) bool { return slices.Contains(strings.Split(name, "/"), "") }

// syncMode says whether an acknowledgement waits for stable storage.
type syncMode string

const (
	// syncAlways acknowledges what has been fsynced.
	syncAlways syncMode = "always"
	// syncNever acknowledges what the operating system has got: a crash of the
	// machine, though not of the collector, may take acknowledged events with it.
	syncNever syncMode = "never"
)

// signingConfig says with what key and what is signed.
type signingConfig struct {
	// KeyFile is the private key: PKCS#8 in PEM, P-256 or Ed25519. On the first start
	// of a new log, and only then, it is made, with the public key beside it.
	KeyFile string `mapstructure:"key_file"`
	// PreviousKeyFile is the private key that the log was signed with before KeyFile: the
	// old key introduces the new one. Needed for the first start with the new key only.
	PreviousKeyFile string `mapstructure:"previous_key_file"`
	// CheckpointKeyFile is a private key that signs every checkpoint beside KeyFile, for
	// witnesses, which take Ed25519 keys only. Made (Ed25519) like KeyFile.
	CheckpointKeyFile string `mapstructure:"checkpoint_key_file"`
	// PreviousCheckpointKeyFile is the private key that was CheckpointKeyFile before: it
	// signs the note with which it leaves the log. Needed for the first start without it only.
	PreviousCheckpointKeyFile string `mapstructure:"previous_checkpoint_key_file"`
	// RotateKey says when the key is replaced by a fresh one, in KeyFile, and destroyed:
	// "never", or with each "segment".
	RotateKey rotateKey `mapstructure:"rotate_key"`
	// KeysFile lists public keys with what bounds them (package trust). A key that it
	// says is revoked, or not valid now, is not signed with.
	KeysFile string `mapstructure:"keys_file"`
	// Scope is what is signed besides the checkpoints: each event, or nothing.
	Scope segline.Scope `mapstructure:"scope"`
	// OnFailure says what happens to events that cannot be signed: "refuse", or
	// "write_unsigned". It means nothing
	// in scope checkpoint: without a signed checkpoint nothing is ever written.
	OnFailure onFailure `mapstructure:"on_failure"`
}

// rotateKey says when the key is replaced.
type rotateKey string

const (
	// rotateKeyNever keeps the key until the configuration names another.
	rotateKeyNever rotateKey = "never"
	// rotateKeySegment gives each segment a key of its own.
	rotateKeySegment rotateKey = "segment"
)

// onFailure says what happens to events that cannot be signed.
type onFailure string

const (
	// onFailureRefuse refuses the call, to be repeated.
	onFailureRefuse onFailure = "refuse"
	// onFailureWriteUnsigned writes such events marked as unsigned. Checkpoints cover
	// them all the same.
	onFailureWriteUnsigned onFailure = "write_unsigned"
)

// keyFile is a file that holds a private key, and the key of the configuration that names it.
type keyFile struct{ name, path string }

// keyFiles returns those that are named.
func (s *signingConfig) keyFiles() []keyFile {
	return slices.DeleteFunc([]keyFile{
		{"signing::key_file", s.KeyFile},
		{"signing::previous_key_file", s.PreviousKeyFile},
		{"signing::checkpoint_key_file", s.CheckpointKeyFile},
		{"signing::previous_checkpoint_key_file", s.PreviousCheckpointKeyFile},
	}, func(f keyFile) bool { return f.path == "" })
}

func (s *signingConfig) validate(p *problems, directory string) {
	if s.KeyFile == "" {
		p.add("signing::key_file", "it is empty: name the file of the private key, such as /etc/otelcol/audit-log-key.pem")
	}
	for _, f := range s.keyFiles() {
		if within(f.path, directory) {
			p.add(f.name, "%s lies in the log's directory, %s: put the key elsewhere, or whoever gets a copy of the log gets the key that signs it", f.path, directory)
		}
	}
	outside := func(path string) bool { return path != "" && !within(path, directory) }
	if outside(s.PreviousKeyFile) && sameName(s.PreviousKeyFile, s.KeyFile) {
		p.add("signing::previous_key_file", "it is signing::key_file itself: name the key that the log was signed with before, or nothing")
	}
	if outside(s.CheckpointKeyFile) && sameName(s.CheckpointKeyFile, s.KeyFile) {
		p.add("signing::checkpoint_key_file", "it is signing::key_file itself: name a file for another key, or nothing")
	}
	if outside(s.PreviousCheckpointKeyFile) && s.CheckpointKeyFile != "" && sameName(s.PreviousCheckpointKeyFile, s.CheckpointKeyFile) {
		p.add("signing::previous_checkpoint_key_file", "it is signing::checkpoint_key_file itself: name the key that signed checkpoints before, or nothing")
	}
	if r := s.RotateKey; r != rotateKeyNever && r != rotateKeySegment {
		p.add("signing::rotate_key", "unknown word %q: write %s or %s", r, rotateKeyNever, rotateKeySegment)
	}
	if scope := s.Scope; scope != segline.ScopeEvent && scope != segline.ScopeCheckpoint {
		p.add("signing::scope", "unknown scope %q: write %s or %s", scope, segline.ScopeEvent, segline.ScopeCheckpoint)
	}
	if f := s.OnFailure; f != onFailureRefuse && f != onFailureWriteUnsigned {
		p.add("signing::on_failure", "unknown word %q: write %s or %s", f, onFailureRefuse, onFailureWriteUnsigned)
	}
}

// rotationConfig says when a segment is sealed, and how it is stored from then on.
type rotationConfig struct {
	// MaxSizeMiB is the size, in MiB, that a segment is kept to. 0 sets no limit.
	MaxSizeMiB int64 `mapstructure:"max_size_mib"`
	// MaxAge is the age at which a segment that holds events is sealed. 0 sets no
	// limit.
	MaxAge time.Duration `mapstructure:"max_age"`
	// Compression is how sealed segments are stored.
	Compression compression.Method `mapstructure:"compression"`
}

func (r rotationConfig) validate(p *problems) {
	p.mebibytes("rotation::max_size_mib", r.MaxSizeMiB, "for no limit")
	p.duration("rotation::max_age", r.MaxAge, "for no limit")
	if !r.Compression.Valid() {
		p.add("rotation::compression", "unknown compression %q: write %s, %s or %s", r.Compression, compression.Zstd, compression.Gzip, compression.None)
	}
}

// retentionConfig says when sealed segments are deleted. A limit of 0 keeps them for
// ever. The log records a deletion before it happens.
type retentionConfig struct {
	// MinAge is how long everything is kept after its commit, whatever the limits say. It is
	// a promise that the log bears, so a later configuration cannot shorten it for what was
	// written under it. If the limits would have to break it, calls are refused. 0 promises
	// nothing.
	MinAge time.Duration `mapstructure:"min_age"`
	// MaxSegments is how many segments are kept, the active one included, without those
	// that a start began.
	MaxSegments int `mapstructure:"max_segments"`
	// MaxAge is how long a segment is kept after its last commit.
	MaxAge time.Duration `mapstructure:"max_age"`
	// MaxTotalSizeMiB is the space, in MiB, that all segments may take.
	MaxTotalSizeMiB int64 `mapstructure:"max_total_size_mib"`
}

// limits reports whether segments are ever deleted.
func (r retentionConfig) limits() bool {
	return r.MaxSegments > 0 || r.MaxAge > 0 || r.MaxTotalSizeMiB > 0
}

func (r retentionConfig) validate(p *problems) {
	if n := r.MaxSegments; n < 0 {
		p.add("retention::max_segments", "%d is negative: write a number of segments, or 0 to keep all", n)
	}
	p.duration("retention::max_age", r.MaxAge, "to keep all")
	p.duration("retention::min_age", r.MinAge, "to promise nothing")
	switch least, most := r.MinAge, r.MaxAge; {
	case least > segline.MaxMinAge:
		p.add("retention::min_age", "%s is more than %s: write a shorter time", least, segline.MaxMinAge)
	case least%time.Second != 0:
		p.add("retention::min_age", "%s is not in whole seconds: write %s", least, least.Round(time.Second))
	case most > 0 && most < least:
		p.add("retention::max_age", "%s is less than retention::min_age, %s, for which everything is kept: raise the one or lower the other", most, least)
	}
	p.mebibytes("retention::max_total_size_mib", r.MaxTotalSizeMiB, "to keep all")
}

// limitsConfig bounds what clients can make the exporter hold in memory and write.
type limitsConfig struct {
	// MaxRecords is how many records a call may bring. A call with more is refused for good.
	MaxRecords int `mapstructure:"max_records"`
	// MaxSizeMiB is how large, in MiB, the lines may be that a call adds to the log. A call
	// with more is refused for good.
	MaxSizeMiB int64 `mapstructure:"max_size_mib"`
	// MaxInFlightMiB is how large, in MiB, the lines of all calls may be that have not been
	// answered. A call that finds no room is refused, to be repeated.
	MaxInFlightMiB int64 `mapstructure:"max_in_flight_mib"`
	// MaxLeafBytes is how long the line of one event may be; 0 means as long as readers
	// take: 32 MiB.
	MaxLeafBytes int `mapstructure:"max_leaf_bytes"`
	// OnOversize says what happens to a record whose line would be longer: "refuse", or
	// "replace".
	OnOversize onOversize `mapstructure:"on_oversize"`
}

// onOversize says what happens to a record whose line would be too long.
type onOversize string

const (
	// onOversizeRefuse refuses it, alone and for good.
	onOversizeRefuse onOversize = "refuse"
	// onOversizeReplace writes an event in its place that keeps its hash, its beginning and
	// its end.
	onOversizeReplace onOversize = "replace"
)

const (
	mostRecords = 10_000_000
	mostMiB     = 1 << 20 // a tebibyte: more memory than there is

	// leastLeafBytes has room for an event that stands for another.
	leastLeafBytes = 1024
)

func defaultLimits() limitsConfig {
	return limitsConfig{MaxRecords: 100_000, MaxSizeMiB: 64, MaxInFlightMiB: 256, OnOversize: onOversizeRefuse}
}

func (l limitsConfig) validate(p *problems) {
	if l.MaxRecords < 1 || l.MaxRecords > mostRecords {
		p.add("limits::max_records", "%d: write how many records a call may bring, 1 to %d, such as 100000", l.MaxRecords, mostRecords)
	}
	if l.MaxSizeMiB < 1 || l.MaxSizeMiB > mostMiB {
		p.add("limits::max_size_mib", "%d: write how many MiB a call may add to the log, 1 to %d, such as 64", l.MaxSizeMiB, mostMiB)
	}
	switch n := l.MaxInFlightMiB; {
	case n < 1 || n > mostMiB:
		p.add("limits::max_in_flight_mib", "%d: write how many MiB all calls at a time may add to the log, 1 to %d, such as 256", n, mostMiB)
	case n < l.MaxSizeMiB:
		p.add("limits::max_in_flight_mib", "%d is less than one call may take (limits::max_size_mib is %d): raise the one or lower the other", n, l.MaxSizeMiB)
	}
	if n := l.MaxLeafBytes; n != 0 && (n < leastLeafBytes || n > segline.MaxBytes) {
		p.add("limits::max_leaf_bytes", "%d: write how many bytes the line of an event may have, %d to %d, such as 65535, or 0 for the most", n, leastLeafBytes, segline.MaxBytes)
	}
	if o := l.OnOversize; o != onOversizeRefuse && o != onOversizeReplace {
		p.add("limits::on_oversize", "unknown word %q: write %s or %s", o, onOversizeRefuse, onOversizeReplace)
	}
}

func (l limitsConfig) options() ingest.Limits {
	return ingest.Limits{
		MaxRecords: l.MaxRecords, MaxBytes: l.MaxSizeMiB * mebibyte, MaxInFlightBytes: l.MaxInFlightMiB * mebibyte,
		ReplaceOversized: l.OnOversize == onOversizeReplace,
	}
}

// WitnessConfig names a witness.
type WitnessConfig struct {
	// URL is the prefix of the witness's write API: https, or http on this machine.
	URL string `mapstructure:"url"`
	// PublicKey is the witness's verifier key (vkey): name+hash+key.
	PublicKey string `mapstructure:"public_key"`
}

// maxWitnesses keeps a cosigned checkpoint below what readers of notes take.
const maxWitnesses = 32

func (c *Config) validateWitnesses(p *problems) {
	if n := len(c.Witnesses); n > maxWitnesses {
		p.add("witnesses", "%d are more than %d", n, maxWitnesses)
	}
	first := map[string]int{}
	var keys []*witness.Key
	for i, w := range c.Witnesses {
		if _, err := client.ParseURL(w.URL); err != nil {
			p.add(fmt.Sprintf("witnesses[%d]::url", i), "%w", err)
		}
		key, err := witness.ParseKey(w.PublicKey)
		if err != nil {
			p.add(fmt.Sprintf("witnesses[%d]::public_key", i), "%w", err)
			continue
		}
		if other, again := first[key.Name()]; again {
			p.add(fmt.Sprintf("witnesses[%d]::public_key", i), "the witness %s is witnesses[%d] already", key.Name(), other)
		} else if other := slices.IndexFunc(keys, key.SamePublicKey); other >= 0 {
			p.add(fmt.Sprintf("witnesses[%d]::public_key", i), "it is the key of %s, too: they are one witness, which would count twice towards the quorum", keys[other].Name())
		}
		first[key.Name()] = i
		keys = append(keys, key)
	}
	switch q := c.WitnessQuorum; {
	case q < 0:
		p.add("witness_quorum", "%d is negative: write how many witnesses must cosign, or 0 for all", q)
	case q > len(c.Witnesses):
		p.add("witness_quorum", "%d of %d witnesses: write a number up to that, or 0 for all", q, len(c.Witnesses))
	}
	if c.WitnessInterval <= 0 {
		p.add("witness_interval", "%s: write a duration such as 10s", c.WitnessInterval)
	}
}

// ingressVerification says whether the proofs that producers put on records are checked.
type ingressVerification string

const (
	// ingressOff does not look at them.
	ingressOff ingressVerification = "off"
	// ingressMark says in each event what came of it.
	ingressMark ingressVerification = "mark"
	// ingressRefuse refuses, for good, each record that has no good proof.
	ingressRefuse ingressVerification = "refuse"
)

// ProducerConfig names a producer whose proofs are trusted, and the file of its key:
// exactly one.
type ProducerConfig struct {
	// Name is what events call it.
	Name string `mapstructure:"name"`
	// PublicKeyFile is a public key in PEM: P-256, Ed25519 or RSA.
	PublicKeyFile string `mapstructure:"public_key_file"`
	// CertificateFile is an X.509 certificate in PEM: the producer's own, or that of an
	// authority that issues producers' certificates.
	CertificateFile string `mapstructure:"certificate_file"`
	// HMACKeyFile is a secret of 32 bytes or more, in base64.
	HMACKeyFile string `mapstructure:"hmac_key_file"`
}

func (p ProducerConfig) source() ingress.Source {
	path := func(file string) string {
		if file == "" {
			return ""
		}
		return realpath.Absolute(file)
	}
	return ingress.Source{Name: p.Name, PublicKeyFile: path(p.PublicKeyFile), CertificateFile: path(p.CertificateFile), HMACKeyFile: path(p.HMACKeyFile)}
}

func (c *Config) validateProducers(p *problems) {
	switch mode := c.IngressVerification; mode {
	case ingressOff:
		if len(c.Producers) > 0 {
			p.add("producers", "their proofs are not checked, because ingress_verification is %s: write %s or %s there, or remove the producers", ingressOff, ingressMark, ingressRefuse)
		}
	case ingressMark, ingressRefuse:
		if len(c.Producers) == 0 {
			p.add("producers", "ingress_verification is %s, and nobody is trusted: name a producer and its key, such as {name: shop, public_key_file: /etc/otelcol/shop.pub.pem}", mode)
		}
	default:
		p.add("ingress_verification", "unknown word %q: write %s, %s or %s", mode, ingressOff, ingressMark, ingressRefuse)
	}
	if n := len(c.Producers); n > ingress.MaxProducers {
		p.add("producers", "%d are more than %d: have an authority issue their certificates, and name that", n, ingress.MaxProducers)
	}
	first := map[string]int{}
	for i, producer := range c.Producers {
		key := fmt.Sprintf("producers[%d]", i)
		if err := producer.source().Validate(); err != nil {
			p.add(key, "%w", err)
		}
		if other, again := first[producer.Name]; again {
			p.add(key, "the name %q is that of producers[%d] already: give each a name of its own", producer.Name, other)
			continue
		}
		first[producer.Name] = i
	}
}

// sequencesConfig says how producers' streams are followed (attributes
// audit.sequence.*).
type sequencesConfig struct {
	// MaxStreams is how many streams are remembered: of more, those that were quiet
	// longest are forgotten. 0 follows none.
	MaxStreams int `mapstructure:"max_streams"`
}

const (
	// defaultStreams take about 2.8 MB.
	defaultStreams = 10_000
	maxStreams     = 10_000_000
)

func (s sequencesConfig) validate(p *problems) {
	if n := s.MaxStreams; n < 0 || n > maxStreams {
		p.add("sequences::max_streams", "%d: write how many streams are to be remembered, up to %d, or 0 to follow none", n, maxStreams)
	}
}

// idempotencyConfig says how records are known that are sent again, as they are if the
// answer got lost on the way. It concerns records that bring an id (audit.record.id,
// log.record.uid, or what mapping names instead).
type idempotencyConfig struct {
	// MaxEvents is how many events are remembered, the newest ones. 0 remembers none.
	MaxEvents int `mapstructure:"max_events"`
	// MaxAge is how long an event is remembered at the most, from when it was written, or
	// from the last start if that was later. 0 sets no limit.
	MaxAge time.Duration `mapstructure:"max_age"`
	// OnConflict says what happens to a record that has the id of another one: "refuse", or
	// "record".
	OnConflict onConflict `mapstructure:"on_conflict"`
}

// onConflict says what happens to a record that has the id of another one.
type onConflict string

const (
	// onConflictRefuse refuses it, alone and for good.
	onConflictRefuse onConflict = "refuse"
	// onConflictRecord writes its event, and an event id_conflict.
	onConflictRecord onConflict = "record"
)

const (
	// defaultRemembered take about 17 MB.
	defaultRemembered = 100_000
	maxRemembered     = 100_000_000
)

func (i idempotencyConfig) validate(p *problems) {
	if n := i.MaxEvents; n < 0 || n > maxRemembered {
		p.add("idempotency::max_events", "%d: write how many events are to be remembered, up to %d, or 0 for none", n, maxRemembered)
	}
	p.duration("idempotency::max_age", i.MaxAge, "for no limit")
	if o := i.OnConflict; o != onConflictRefuse && o != onConflictRecord {
		p.add("idempotency::on_conflict", "unknown word %q: write %s or %s", o, onConflictRefuse, onConflictRecord)
	}
}

// receiptsConfig says where receipts are written: lines of JSON that tell producers where
// each event stands in the log, and prove it (package receipt). No call waits for them.
type receiptsConfig struct {
	// Directory holds the files of receipts, in a directory for each partition if there
	// are some. Empty, the default, writes none.
	Directory string `mapstructure:"directory"`
	// MaxSizeMiB is the size, in MiB, that a file is kept to.
	MaxSizeMiB int64 `mapstructure:"max_size_mib"`
	// MaxFiles is how many files are kept, the newest ones. 0 keeps all.
	MaxFiles int `mapstructure:"max_files"`
}

func defaultReceipts() receiptsConfig { return receiptsConfig{MaxSizeMiB: 100, MaxFiles: 10} }

func (r receiptsConfig) validate(p *problems) {
	if r.MaxSizeMiB < 1 || r.MaxSizeMiB > maxMiB {
		p.add("receipts::max_size_mib", "%d: write a number of MiB, such as 100", r.MaxSizeMiB)
	}
	if r.MaxFiles < 0 {
		p.add("receipts::max_files", "%d is negative: write a number of files, or 0 to keep all", r.MaxFiles)
	}
}

func (r receiptsConfig) options() ingest.Receipts {
	return ingest.Receipts{Directory: r.Directory, MaxFileBytes: r.MaxSizeMiB * mebibyte, MaxFiles: r.MaxFiles}
}

// problems are what is wrong with a configuration.
type problems []error

func (p *problems) add(key, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...)))
}

func (p *problems) mebibytes(key string, n int64, zero string) {
	switch {
	case n < 0:
		p.add(key, "%d is negative: write a number of MiB, or 0 %s", n, zero)
	case n > maxMiB:
		p.add(key, "%d MiB is more than any file system holds: write a smaller number, or 0 %s", n, zero)
	}
}

func (p *problems) duration(key string, d time.Duration, zero string) {
	if d < 0 {
		p.add(key, "%s is negative: write a duration such as 24h, or 0 %s", d, zero)
	}
}

// within reports whether a path is a directory or lies below it, going by the names
// alone. Nothing lies in a directory that is not named.
func within(path, directory string) bool {
	if directory == "" {
		return false
	}
	rel, err := filepath.Rel(realpath.Absolute(directory), realpath.Absolute(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// sameName reports whether two paths are one, going by the names alone.
func sameName(a, b string) bool { return realpath.Absolute(a) == realpath.Absolute(b) }
