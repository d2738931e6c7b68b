package pgbouncer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
)

// The means by which a pool grows.
const (
	MeansDefault = string(pgbouncer.DefaultPoolSize)
	MeansReserve = string(pgbouncer.ReservePoolSize)
)

// growParams are the settings of grow_pool.
type growParams struct {
	Database string `json:"database"`
	From     int    `json:"from"`
	To       int    `json:"to"`
	// Usable is how many sessions of the server all pools of the pooler may have together.
	Usable int `json:"usable"`
	// Means is a setting, see the package's documentation; empty is default_pool_size.
	Means string `json:"means"`
}

// resumeParams are the settings of resume.
type resumeParams struct {
	Database string `json:"database"`
	// Ours says that the record holds this pause as our own.
	Ours bool `json:"ours"`
}

// pauseParams are the settings of pause.
type pauseParams struct {
	Database string `json:"database"`
}

// decode reads the settings of a fix, and nothing that is not known.
func decode(raw json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read params: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read params: something follows them")
	}
	return nil
}

// largestPool is more than any server can serve.
const largestPool = 100_000

func readGrow(raw json.RawMessage) (growParams, error) {
	var p growParams
	if err := decode(raw, &p); err != nil {
		return p, err
	}
	if p.Means == "" {
		p.Means = MeansDefault
	}
	switch {
	case p.Database == "":
		return p, errors.New("read params: no database")
	case p.From < 1 || p.From > largestPool || p.To > largestPool:
		return p, fmt.Errorf("read params: from %d to %d is no size of a pool", p.From, p.To)
	case p.To <= p.From:
		return p, fmt.Errorf("read params: from %d to %d is not larger", p.From, p.To)
	case 4*p.To > 5*p.From:
		return p, fmt.Errorf("read params: from %d to %d is more than a quarter", p.From, p.To)
	case p.Usable < p.To:
		return p, fmt.Errorf("read params: usable %d is less than %d", p.Usable, p.To)
	case p.Means != MeansDefault && p.Means != MeansReserve:
		return p, fmt.Errorf("read params: means %.40q is neither %s nor %s", p.Means, MeansDefault, MeansReserve)
	}
	return p, nil
}
