package policy

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written as text ("90s") in YAML and JSON.
type Duration time.Duration

// D is the plain duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String is the duration as Go writes it, e.g. "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the duration as Go does, e.g. "1m30s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("parse duration: %w", err)
	}
	*d = Duration(v)
	return nil
}

// short is the duration without its empty ends: "5m" where String says "5m0s".
func (d Duration) short() string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Bytes is a size that is written with a unit ("8GiB", "512KiB", "16MB") or as a plain number of bytes.
type Bytes int64

// errBytes is what a size that cannot be read is told.
var errBytes = errors.New("expected a size such as 512KiB, 8GiB or a plain number of bytes")

// byteUnit is one unit of sizes.
type byteUnit struct {
	name string
	size int64
}

// byteUnits are the units of sizes, so ordered that no name is the end of one after it.
func byteUnits() []byteUnit {
	return []byteUnit{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
	}
}

// String is the size in the largest binary unit that divides it, e.g. "8GiB".
func (b Bytes) String() string {
	for _, u := range byteUnits()[:4] {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText writes the size as String does.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a number with or without a unit: KiB, MiB, GiB, TiB count in 1024, KB, MB, GB, TB in 1000. It may have
// a fraction ("1.5GiB") if whole bytes come of it.
func (b *Bytes) UnmarshalText(text []byte) error {
	s, size := string(text), int64(1)
	for _, u := range byteUnits() {
		if n, ok := strings.CutSuffix(s, u.name); ok {
			s, size = strings.TrimSuffix(n, " "), u.size
			break
		}
	}
	if s == "" || len(s) > 20 || strings.Trim(s, "0123456789.") != "" {
		return errBytes
	}
	n, ok := new(big.Rat).SetString(s)
	if !ok {
		return errBytes
	}
	n.Mul(n, new(big.Rat).SetInt64(size))
	if !n.IsInt() || !n.Num().IsInt64() {
		return errBytes
	}
	*b = Bytes(n.Num().Int64())
	return nil
}
