// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/otel-auditlog/auditlogexporter/event"
	"github.com/otel-auditlog/auditlogexporter/internal/partition"
	"github.com/otel-auditlog/auditlogexporter/segment"
	"github.com/otel-auditlog/auditlogexporter/signing"
	"github.com/otel-auditlog/auditlogexporter/witness"
	"github.com/otel-auditlog/auditlogexporter/witness/client"
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
	Signing SigningConfig `mapstructure:"signing"`
	// Sync says whether an acknowledgement waits for stable storage.
	Sync Sync `mapstructure:"sync"`
	// Rotation says when a segment is sealed, and how it is stored from then on.
	Rotation RotationConfig `mapstructure:"rotation"`
	// Retention says when sealed segments are deleted. By default never.
	Retention RetentionConfig `mapstructure:"retention"`
	// MinFreeSpaceMiB is the space, in MiB, that is left free on the file system:
	// calls that would leave less are refused until there is room. 0 does not look.
	MinFreeSpaceMiB int64 `mapstructure:"min_free_space_mib"`
	// Limits bounds what one call, and all of them at a time, may hold and write.
	Limits LimitsConfig `mapstructure:"limits"`
	// Mapping says which attributes the members of an event are taken from.
	Mapping event.Mapping `mapstructure:"mapping"`
	// Witnesses are asked to cosign the log's checkpoints (c2sp.org/tlog-witness). No
	// call waits for them.
	Witnesses []WitnessConfig `mapstructure:"witnesses"`
	// WitnessQuorum is how many of them have to cosign a checkpoint for it to count as
	// witnessed: then the file checkpoint has it, and the status is well. 0 means all.
	WitnessQuorum int `mapstructure:"witness_quorum"`
	// WitnessInterval is how often they are asked, if the log grows.
	WitnessInterval time.Duration `mapstructure:"witness_interval"`
	// IngressVerification says whether the proofs that producers put on records are
	// checked, and what comes of it. Off by default.
	IngressVerification IngressVerification `mapstructure:"ingress_verification"`
	// Producers are those whose proofs are trusted.
	Producers []ProducerConfig `mapstructure:"producers"`
	// Sequences says how producers' streams are followed.
	Sequences SequencesConfig `mapstructure:"sequences"`
	// Idempotency says how records are known that are sent again.
	Idempotency IdempotencyConfig `mapstructure:"idempotency"`
	// Receipts says whether receipts are written, and where.
	Receipts ReceiptsConfig `mapstructure:"receipts"`
}

// SequencesConfig says how producers' streams are followed (attributes
// audit.sequence.*).
type SequencesConfig struct {
	// MaxStreams is how many streams are remembered: of more, those that were quiet
	// longest are forgotten. 0 follows none.
	MaxStreams int `mapstructure:"max_streams"`
}

const (
	// defaultStreams take about 2.8 MB.
	defaultStreams = 10_000
	maxStreams     = 10_000_000
)

func (s SequencesConfig) validate(p *problems) {
	if n := s.MaxStreams; n < 0 || n > maxStreams {
		p.add("sequences::max_streams", "%d: write how many streams are to be remembered, up to %d, or 0 to follow none", n, maxStreams)
	}
}

// WitnessConfig names a witness.
type WitnessConfig struct {
	// URL is the prefix of the witness's write API: https, or http on this machine.
	URL string `mapstructure:"url"`
	// PublicKey is the witness's verifier key (vkey): name+hash+key.
	PublicKey string `mapstructure:"public_key"`
}

// SigningConfig says with what key and what is signed.
type SigningConfig struct {
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
	// never, or with each segment.
	RotateKey RotateKey `mapstructure:"rotate_key"`
	// KeysFile lists public keys with what bounds them (package trust). A key that it
	// says is revoked, or not valid now, is not signed with.
	KeysFile string `mapstructure:"keys_file"`
	// Scope is what is signed besides the checkpoints: each event, or nothing.
	Scope segment.Scope `mapstructure:"scope"`
	// OnFailure says what happens to events that cannot be signed. It means nothing
	// in scope checkpoint: without a signed checkpoint nothing is ever written.
	OnFailure OnFailure `mapstructure:"on_failure"`
}

// RotateKey says when the key is replaced.
type RotateKey string

const (
	// RotateKeyNever keeps the key until the configuration names another.
	RotateKeyNever RotateKey = "never"
	// RotateKeySegment gives each segment a key of its own.
	RotateKeySegment RotateKey = "segment"
)

// OnFailure says what happens to events that cannot be signed.
type OnFailure string

const (
	// OnFailureRefuse refuses the call, to be repeated.
	OnFailureRefuse OnFailure = "refuse"
	// OnFailureWriteUnsigned writes such events marked as unsigned. Checkpoints cover
	// them all the same.
	OnFailureWriteUnsigned OnFailure = "write_unsigned"
)

// Sync says whether an acknowledgement waits for stable storage.
type Sync string

const (
	// SyncAlways acknowledges what has been fsynced.
	SyncAlways Sync = "always"
	// SyncNever acknowledges what the operating system has got: a crash of the
	// machine, though not of the collector, may take acknowledged events with it.
	SyncNever Sync = "never"
)

// RotationConfig says when a segment is sealed, and how it is stored from then on.
type RotationConfig struct {
	// MaxSizeMiB is the size, in MiB, that a segment is kept to. 0 sets no limit.
	MaxSizeMiB int64 `mapstructure:"max_size_mib"`
	// MaxAge is the age at which a segment that holds events is sealed. 0 sets no
	// limit.
	MaxAge time.Duration `mapstructure:"max_age"`
	// Compression is how sealed segments are stored.
	Compression segment.Compression `mapstructure:"compression"`
}

// RetentionConfig says when sealed segments are deleted. A limit of 0 keeps them for
// ever. The log records a deletion before it happens.
type RetentionConfig struct {
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
		Signing: SigningConfig{
			KeyFile:   "audit-log-key.pem",
			RotateKey: RotateKeyNever,
			Scope:     segment.ScopeEvent,
			OnFailure: OnFailureRefuse,
		},
		Sync: SyncAlways,
		Rotation: RotationConfig{
			MaxSizeMiB:  50,
			MaxAge:      24 * time.Hour,
			Compression: segment.Zstd,
		},
		MaxPartitions:   64,
		MinFreeSpaceMiB: 64,
		Limits:          defaultLimits(),
		Mapping:         event.DefaultMapping(),
		WitnessInterval: 10 * time.Second,

		IngressVerification: IngressOff,
		Sequences:           SequencesConfig{MaxStreams: defaultStreams},
		Idempotency:         IdempotencyConfig{MaxEvents: defaultRemembered, OnConflict: OnConflictRecord},
		Receipts:            defaultReceipts(),
	}
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
	c.validateState(&p)
	c.validatePartitions(&p)
	c.validateSigning(&p)
	if c.Sync != SyncAlways && c.Sync != SyncNever {
		p.add("sync", "unknown word %q: write %s or %s", c.Sync, SyncAlways, SyncNever)
	}
	c.validateSegments(&p)
	p.mebibytes("min_free_space_mib", c.MinFreeSpaceMiB, "not to look")
	c.validateLimits(&p)
	c.validateWitnesses(&p)
	c.validateIngress(&p)
	c.Sequences.validate(&p)
	c.validateIdempotency(&p)
	c.validateReceipts(&p)
	return errors.Join(p...)
}

// maxPartitions bounds the files that are open: four for each partition, nine with receipts.
const maxPartitions = 1024

func (c *Config) validatePartitions(p *problems) {
	if n := c.MaxPartitions; n < 1 || n > maxPartitions {
		p.add("max_partitions", "%d: write how many values of the attribute in partition_by may have a log of their own, 1 to %d", n, maxPartitions)
	}
	if c.PartitionBy == "" {
		return
	}
	if err := signing.ValidateOrigin(c.Origin + "/" + strings.Repeat("x", partition.MaxName)); err != nil && (c.Origin == "" || signing.ValidateOrigin(c.Origin) == nil) {
		p.add("origin", "it is too long for partition_by, which adds up to %d bytes for each partition: %w: write a shorter name", partition.MaxName+1, err)
	}
	if c.Signing.RotateKey == RotateKeySegment {
		p.add("signing::rotate_key", "%s gives each segment of one log a key, but with partition_by many logs share the key in signing::key_file: write %s, or give each tenant an exporter of its own", RotateKeySegment, RotateKeyNever)
	}
	if len(c.Witnesses) > 0 {
		p.add("witnesses", "a witness must have been told of each log that it follows, but with partition_by logs begin as values of the attribute come: leave witnesses out and keep checkpoints of the logs elsewhere, or give each tenant an exporter of its own")
	}
}

func (c *Config) validateSigning(p *problems) {
	switch {
	case c.Signing.KeyFile == "":
		p.add("signing::key_file", "it is empty: name the file of the private key, such as /etc/otelcol/audit-log-key.pem")
	case c.Directory != "" && within(c.Signing.KeyFile, c.Directory):
		p.add("signing::key_file", "%s lies in the log's directory, %s: put the key elsewhere, or whoever gets a copy of the log gets the key that signs it", c.Signing.KeyFile, c.Directory)
	}
	switch previous := c.Signing.PreviousKeyFile; {
	case previous == "":
	case c.Directory != "" && within(previous, c.Directory):
		p.add("signing::previous_key_file", "%s lies in the log's directory, %s: put the key elsewhere", previous, c.Directory)
	case absolute(previous) == absolute(c.Signing.KeyFile):
		p.add("signing::previous_key_file", "it is signing::key_file itself: name the key that the log was signed with before, or nothing")
	}
	switch checkpoint := c.Signing.CheckpointKeyFile; {
	case checkpoint == "":
		if len(c.Witnesses) > 0 && c.Signing.RotateKey == RotateKeySegment {
			p.add("signing::checkpoint_key_file", "witnesses know a log by one key, but signing::rotate_key replaces the key of signing::key_file with each segment: name a file for a key that stays, such as /etc/otelcol/audit-log-checkpoint-key.pem")
		}
	case c.Directory != "" && within(checkpoint, c.Directory):
		p.add("signing::checkpoint_key_file", "%s lies in the log's directory, %s: put the key elsewhere", checkpoint, c.Directory)
	case absolute(checkpoint) == absolute(c.Signing.KeyFile):
		p.add("signing::checkpoint_key_file", "it is signing::key_file itself: name a file for another key, or nothing")
	}
	switch previous := c.Signing.PreviousCheckpointKeyFile; {
	case previous == "":
	case c.Directory != "" && within(previous, c.Directory):
		p.add("signing::previous_checkpoint_key_file", "%s lies in the log's directory, %s: put the key elsewhere", previous, c.Directory)
	case c.Signing.CheckpointKeyFile != "" && absolute(previous) == absolute(c.Signing.CheckpointKeyFile):
		p.add("signing::previous_checkpoint_key_file", "it is signing::checkpoint_key_file itself: name the key that signed checkpoints before, or nothing")
	}
	if r := c.Signing.RotateKey; r != RotateKeyNever && r != RotateKeySegment {
		p.add("signing::rotate_key", "unknown word %q: write %s or %s", r, RotateKeyNever, RotateKeySegment)
	}
	if s := c.Signing.Scope; s != segment.ScopeEvent && s != segment.ScopeCheckpoint {
		p.add("signing::scope", "unknown scope %q: write %s or %s", s, segment.ScopeEvent, segment.ScopeCheckpoint)
	}
	if f := c.Signing.OnFailure; f != OnFailureRefuse && f != OnFailureWriteUnsigned {
		p.add("signing::on_failure", "unknown word %q: write %s or %s", f, OnFailureRefuse, OnFailureWriteUnsigned)
	}
}

func (c *Config) validateSegments(p *problems) {
	p.mebibytes("rotation::max_size_mib", c.Rotation.MaxSizeMiB, "for no limit")
	p.duration("rotation::max_age", c.Rotation.MaxAge, "for no limit")
	if !c.Rotation.Compression.Valid() {
		p.add("rotation::compression", "unknown compression %q: write %s, %s or %s", c.Rotation.Compression, segment.Zstd, segment.Gzip, segment.None)
	}
	if n := c.Retention.MaxSegments; n < 0 {
		p.add("retention::max_segments", "%d is negative: write a number of segments, or 0 to keep all", n)
	}
	p.duration("retention::max_age", c.Retention.MaxAge, "to keep all")
	p.duration("retention::min_age", c.Retention.MinAge, "to promise nothing")
	switch least, most := c.Retention.MinAge, c.Retention.MaxAge; {
	case least > segment.MaxMinAge:
		p.add("retention::min_age", "%s is more than %s: write a shorter time", least, segment.MaxMinAge)
	case least%time.Second != 0:
		p.add("retention::min_age", "%s is not in whole seconds: write %s", least, least.Round(time.Second))
	case most > 0 && most < least:
		p.add("retention::max_age", "%s is less than retention::min_age, %s, for which everything is kept: raise the one or lower the other", most, least)
	}
	total := c.Retention.MaxTotalSizeMiB
	p.mebibytes("retention::max_total_size_mib", total, "to keep all")
	if total > 0 && total < c.Rotation.MaxSizeMiB {
		p.add("retention::max_total_size_mib", "%d is less than a single segment may take (rotation::max_size_mib is %d): raise the one or lower the other", total, c.Rotation.MaxSizeMiB)
	}
	limited := c.Retention.MaxSegments > 0 || c.Retention.MaxAge > 0 || total > 0
	if limited && c.Rotation.MaxSizeMiB == 0 && c.Rotation.MaxAge == 0 {
		p.add("retention", "only sealed segments are ever deleted, and without a limit none is sealed: set rotation::max_size_mib or rotation::max_age")
	}
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
// alone.
func within(path, directory string) bool {
	rel, err := filepath.Rel(absolute(directory), absolute(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
