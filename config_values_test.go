// Copyright The auditlogexporter Authors
// SPDX-License-Identifier: Apache-2.0

package auditlogexporter

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otel-auditlog/auditlogexporter/internal/configvalues"
)

// conf returns a configuration with one value.
func conf(path string, value any) *confmap.Conf {
	keys := strings.Split(path, confmap.KeyDelimiter)
	for i := len(keys) - 1; i >= 0; i-- {
		key, isList := strings.CutSuffix(keys[i], "[0]")
		if isList {
			value = []any{value}
		}
		value = map[string]any{key: value}
	}
	return confmap.NewFromStringMap(value.(map[string]any))
}

// Every duration and every whole number there is, ours and upstream's, is refused if it
// would be taken for something else. New keys are found by reflection.
func TestConfigValuesThatWouldBeMisread(t *testing.T) {
	durations, numbers := 0, 0
	configvalues.Keys(reflect.TypeFor[Config](), func(path string, of reflect.Type) {
		wrong := []any{0.5, 1.25, -0.75}
		if of == reflect.TypeFor[time.Duration]() {
			durations++
			wrong = []any{90, int64(5), 0.5, -3, "90", "1e3", uint8(7), "1.5d", "1d12h", "2w", "90 days", "d"}
		} else {
			numbers++
			wrong = append(wrong, 1e30, -1e30, math.Inf(1), math.NaN())
		}
		for _, value := range wrong {
			err := conf(path, value).Unmarshal(createDefaultConfig().(*Config))
			require.Error(t, err, "%s: %v", path, value)
			assert.Contains(t, err.Error(), path, "%v", value)
			assert.Contains(t, err.Error(), "write ", "%v", value)
		}
	})
	// The keys that users were hit by are among them.
	assert.GreaterOrEqual(t, durations, 8)
	assert.GreaterOrEqual(t, numbers, 10)
}

// What the message says to write in place of a fraction is never 0, which often means no limit.
func TestConfigFractionsBelowOne(t *testing.T) {
	for _, value := range []float64{0.5, 1e-9, 0.99} {
		err := conf("rotation::max_size_mib", value).Unmarshal(createDefaultConfig().(*Config))
		require.ErrorContains(t, err, "write 1 or a larger one")
	}
	err := conf("rotation::max_size_mib", 1.5).Unmarshal(createDefaultConfig().(*Config))
	require.ErrorContains(t, err, "write 1 or 2")
}

func TestConfigDays(t *testing.T) {
	c := createDefaultConfig().(*Config)
	require.NoError(t, conf("retention::max_age", "90d").Unmarshal(c))
	assert.Equal(t, 90*24*time.Hour, c.Retention.MaxAge)
	require.NoError(t, conf("rotation::max_age", 0).Unmarshal(c))
	assert.Zero(t, c.Rotation.MaxAge)
	require.NoError(t, conf("sending_queue::queue_size", 12).Unmarshal(c))
	require.ErrorContains(t, conf("retention::max_age", "200000d").Unmarshal(c), "retention::max_age")
	require.Error(t, conf("retention::max_age", "1.5d").Unmarshal(c))
	require.Error(t, conf("retention::max_age", "d").Unmarshal(c))
}
