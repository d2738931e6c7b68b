package bounds

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The means by which a pool grows: settings of PgBouncer.
const (
	MeansDefault = "default_pool_size"
	MeansReserve = "reserve_pool_size"
)

// Grow are the settings of grow_pool.
type Grow struct {
	Database string `json:"database"`
	From     int    `json:"from"`
	To       int    `json:"to"`
	// Usable is how many sessions of the server all pools of the pooler may have together.
	Usable int `json:"usable"`
	// Means is [MeansDefault] or [MeansReserve]. Where the step names none it is read as the first.
	Means string `json:"means"`
}

// Resume are the settings of resume.
type Resume struct {
	Database string `json:"database"`
	// Ours says that the record holds this pause as our own.
	Ours bool `json:"ours"`
}

// Pause are the settings of pause.
type Pause struct {
	Database string `json:"database"`
}

var errNoDatabase = errors.New("read params: no database")

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

// ReadGrow reads the settings of grow_pool, and refuses what can never be done.
func ReadGrow(raw json.RawMessage) (Grow, error) {
	var p Grow
	if err := decode(raw, &p); err != nil {
		return p, err
	}
	if p.Means == "" {
		p.Means = MeansDefault
	}
	switch {
	case p.Database == "":
		return p, errNoDatabase
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

// ReadResume reads the settings of resume.
func ReadResume(raw json.RawMessage) (Resume, error) {
	var p Resume
	err := decode(raw, &p)
	if err == nil && p.Database == "" {
		err = errNoDatabase
	}
	return p, err
}

// ReadPause reads the settings of pause.
func ReadPause(raw json.RawMessage) (Pause, error) {
	var p Pause
	err := decode(raw, &p)
	if err == nil && p.Database == "" {
		err = errNoDatabase
	}
	return p, err
}
