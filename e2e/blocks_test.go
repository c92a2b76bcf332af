// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// block is a fenced block of a page of documentation. The comment on the line before it says
// what becomes of it in tests:
//
//	<!-- run: PROGRAM… -->   it is run, with what it prints in the block after it, or, of a
//	                         console, in it
//	<!-- config: PATH -->    it is a part of a collector's configuration, at the path if there
//	                         is one, and valid
//	<!-- compiled -->        it is Go, and compiles
//	<!-- not run: REASON -->
type block struct {
	page     string
	language string
	kind     string // run, config, compiled or not run; output for what a block before prints
	argument string // what follows the colon
	text     string
	output   string // of a block that is run
}

var fence = regexp.MustCompile("^( *)```([a-z]*)$")

var marker = regexp.MustCompile(`^ *<!-- (run|config|compiled|not run)(?:: (.*))? -->$`)

// pages are the pages of documentation: all that there are.
func pages(t *testing.T) (all []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/*.md", "testdata/*/*.md", "testdata/*/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", pattern))
		require.NoError(t, err)
		all = append(all, found...)
	}
	require.Greater(t, len(all), 15)
	return all
}

// blocksOf returns the blocks of a page.
func blocksOf(t *testing.T, page string) (all []block) {
	t.Helper()
	content, err := os.ReadFile(page)
	require.NoError(t, err)
	lines := strings.Split(string(content), "\n")
	for i := 0; i < len(lines); i++ {
		begin := fence.FindStringSubmatch(lines[i])
		if begin == nil {
			require.NotContains(t, strings.TrimSpace(lines[i]), "```", "%s, line %d: not the beginning of a block", page, i+1)
			continue
		}
		b := block{page: page, language: begin[2]}
		if m := marker.FindStringSubmatch(lines[i-1]); m != nil {
			b.kind, b.argument = m[1], m[2]
		} else if b.language == "text" && len(all) > 0 && all[len(all)-1].kind == "run" && lines[i-1] == "```" {
			b.kind = "output"
		}
		for i++; i < len(lines) && lines[i] != begin[1]+"```"; i++ {
			b.text += strings.TrimPrefix(lines[i], begin[1]) + "\n"
		}
		require.Less(t, i, len(lines), "%s: a block does not end", page)
		if b.kind == "output" {
			all[len(all)-1].output = b.text
		}
		all = append(all, b)
	}
	return all
}

// Each block of the documentation is run, or it says why not. Shells are bash: arrays, <<<
// and $'…' are no sh. A test that is said to stand in for a block is there.
func TestBlocksAreRunOrSayWhyNot(t *testing.T) {
	tests := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(source), -1) {
			tests[m[1]] = true
		}
		return err
	})
	require.NoError(t, err)
	for _, page := range pages(t) {
		for _, b := range blocksOf(t, page) {
			first, _, _ := strings.Cut(b.text, "\n")
			where := page + ": " + first
			assert.NotEqual(t, "sh", b.language, "%s: write bash", where)
			switch b.kind {
			case "":
				t.Errorf("%s: neither run nor listed with a reason: put <!-- run --> or <!-- not run: REASON --> on the line before it", where)
			case "not run":
				assert.NotEmpty(t, b.argument, "%s: no reason why it is not run", where)
				for _, name := range regexp.MustCompile(`\bTest\w+`).FindAllString(b.argument, -1) {
					assert.True(t, tests[name], "%s: there is no test %s", where, name)
				}
			case "run":
				assert.Contains(t, []string{"bash", "console"}, b.language, where)
			case "config":
				assert.Equal(t, "yaml", b.language, where)
			case "compiled":
				assert.Equal(t, "go", b.language, where)
			}
		}
	}
}

// blocks returns those of all pages, or of the one given, that are of a kind.
func blocks(t *testing.T, kind string, of ...string) (all []block) {
	t.Helper()
	if of == nil {
		of = pages(t)
	}
	for _, page := range of {
		for _, b := range blocksOf(t, page) {
			if b.kind == kind {
				all = append(all, b)
			}
		}
	}
	require.NotEmpty(t, all)
	return all
}

// name is what a block is called as a test.
func (b *block) name() string {
	first, _, _ := strings.Cut(strings.TrimSpace(b.text), "\n")
	return strings.TrimSuffix(filepath.Base(b.page), ".md") + ": " + first
}

// script is what a reader of the block types. Places of a system are below dir.
func (b *block) script(dir string) string {
	text := b.text
	if b.language == "console" {
		text = ""
		for line := range strings.Lines(b.text) {
			if command, isCommand := strings.CutPrefix(line, "$ "); isCommand {
				text += command
			}
		}
	}
	for _, place := range []string{"/elsewhere", "/backup", "/var/lib/otelcol"} {
		text = strings.ReplaceAll(text, place, dir+place)
	}
	return text
}

// runIn runs a block in a directory.
func (b *block) runIn(t *testing.T, dir, path string) (output string) {
	t.Helper()
	for _, name := range strings.Fields(b.argument) {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	options := "-euo"
	if b.language == "console" {
		options = "-uo" // it shows what fails
	}
	cmd := exec.CommandContext(t.Context(), "bash", options, "pipefail", "-c", b.script(dir))
	cmd.Dir = dir // where audit-log and audit-log-key.pub.pem are
	cmd.Env = append(os.Environ(), "PATH="+path, "LC_ALL=C", "HOME="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s%s", out, stderr.String())
	return string(out)
}

// prints is what a console shows that its commands print: … stands for anything, at the
// begin of a line for lines; numbers are those of another log.
func (b *block) prints() *regexp.Regexp {
	var want strings.Builder
	for line := range strings.Lines(b.text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "$ "):
		case line == "…":
			want.WriteString(`(?:.*\n)*?`)
		default:
			line = regexp.MustCompile(`[0-9a-f]*…`).ReplaceAllString(line, "…")
			line = regexp.MustCompile(`[0-9]+`).ReplaceAllString(regexp.QuoteMeta(line), `[0-9]+`)
			want.WriteString(strings.ReplaceAll(line, "…", ".*") + `\n`)
		}
	}
	return regexp.MustCompile("^" + want.String() + "$")
}

// The blocks of README.md run as they stand on the log of the quick start, and those of the
// other pages but recipes.md, which has a log of its own.
func TestBlocks(t *testing.T) {
	dir := t.TempDir()
	quickStart(t, dir)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "build"), 0o755))
	require.NoError(t, os.Symlink(auditlog, filepath.Join(dir, "build", "auditlog")))
	for _, place := range []string{"elsewhere", "backup"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, place), 0o755))
	}
	// A fleet of one.
	fleet := filepath.Join(dir, "var", "lib", "otelcol", "audit", "pod-0")
	require.NoError(t, os.MkdirAll(fleet, 0o755))
	require.NoError(t, os.CopyFS(fleet, os.DirFS(filepath.Join(dir, "audit-log"))))
	path := recipePath(t)
	for _, b := range blocks(t, "run") {
		if filepath.Base(b.page) == "recipes.md" {
			continue
		}
		t.Run(b.name(), func(t *testing.T) {
			output := b.runIn(t, dir, path)
			if b.language == "console" {
				assert.Regexp(t, b.prints(), output)
			}
			if strings.Contains(b.text, "openssl") {
				assert.Contains(t, output, "Verified OK")
			}
		})
	}
}

// What README.md and recipes.md say to use for an Ed25519 key works in the place of what the
// block by hand has for ECDSA.
func TestEd25519ByHand(t *testing.T) {
	dir := t.TempDir()
	code, _ := runAuditlog(t, "keygen", "--algorithm", "ed25519", "--out", filepath.Join(dir, "audit-log-key.pem"))
	require.Zero(t, code)
	quickStart(t, dir)
	path := recipePath(t)
	readme, recipes := filepath.Join("..", "README.md"), filepath.Join("..", "docs", "recipes.md")
	var hints [][]string
	for _, page := range []string{readme, recipes} {
		content, err := os.ReadFile(page)
		require.NoError(t, err)
		hints = append(hints, regexp.MustCompile("`(openssl pkeyutl [^`]*)`").FindStringSubmatch(string(content)))
		require.NotNil(t, hints[len(hints)-1], page)
	}
	assert.Equal(t, hints[0], hints[1])
	byHand := blocks(t, "run", readme)
	for _, b := range byHand {
		if !strings.Contains(b.text, "openssl dgst") {
			continue
		}
		b.text = regexp.MustCompile(`(?m)^openssl dgst.*$`).ReplaceAllLiteralString(b.text, hints[0][1])
		assert.Contains(t, b.runIn(t, dir, path), "Signature Verified Successfully")
		return
	}
	t.Error("README.md has no block that checks a signature by hand")
}

// The parts of configurations are valid, with what they refer to and do not define.
func TestConfigBlocks(t *testing.T) {
	t.Setenv("POD_NAME", "audit-log-0")
	for _, b := range blocks(t, "config") {
		t.Run(b.name(), func(t *testing.T) {
			dir := t.TempDir()
			// The paths of a system are below the test's directory, and the files are there.
			text := regexp.MustCompile(`/(var|etc)/[^\s",}]*`).ReplaceAllStringFunc(b.text, func(path string) string { return filepath.Join(dir, path) })
			text = strings.ReplaceAll(text, "otlp_grpc/producers", "file/producers") // which the collector has
			if b.argument != "" {
				text = below(strings.Split(b.argument, "::"), text)
			}
			base, part := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "part.yaml")
			require.NoError(t, os.WriteFile(base, []byte(`
extensions:
  file_storage: {directory: `+dir+`}
receivers:
  otlp: {protocols: {grpc: {}}}
exporters:
  file/producers: {path: producers.json}
  auditlog: {}
service:
  extensions: [file_storage]
  pipelines:
    logs: {receivers: [otlp], exporters: [auditlog]}
`), 0o600))
			require.NoError(t, os.WriteFile(part, []byte(text), 0o600))
			validate := exec.CommandContext(t.Context(), collector, "validate", "--config", base, "--config", part, statusGate)
			validate.Dir = dir
			output, err := validate.CombinedOutput()
			assert.NoError(t, err, "%s\n%s", text, output)
		})
	}
}

// below returns YAML at a path.
func below(path []string, text string) string {
	var b strings.Builder
	margin := len(text) - len(strings.TrimLeft(text, " "))
	for depth, key := range path {
		b.WriteString(strings.Repeat("  ", depth) + key + ":\n")
	}
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			line = strings.Repeat("  ", len(path)) + line[margin:]
		}
		b.WriteString(line)
	}
	return b.String()
}

// The Go that README.md shows compiles.
func TestGoBlocks(t *testing.T) {
	emit, err := filepath.Abs(filepath.Join("..", "emit"))
	require.NoError(t, err)
	for _, b := range blocks(t, "compiled") {
		dir := t.TempDir()
		file := filepath.Join(dir, "shown.go")
		require.NoError(t, os.WriteFile(file, []byte(`package shown

import (
	"context"

	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otel-auditlog/auditlogexporter/emit"
	"github.com/otel-auditlog/auditlogexporter/emit/confirm"
)

func shown(ctx context.Context, exporter sdklog.Exporter) (string, error) {
`+b.text+`
	return id, err
}
`), 0o600))
		overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(emit, "shown", "shown.go"): file}})
		require.NoError(t, err)
		list := filepath.Join(dir, "overlay.json")
		require.NoError(t, os.WriteFile(list, overlay, 0o600))
		build := exec.CommandContext(t.Context(), "go", "build", "-overlay", list, "./shown")
		build.Dir = emit
		output, err := build.CombinedOutput()
		assert.NoError(t, err, "%s", output)
	}
}
