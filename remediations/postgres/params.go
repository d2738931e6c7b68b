package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/remediations"
)

// work is one fix with its settings.
type work interface {
	// look says how the target is, without a change.
	look(ctx context.Context, conn *pgx.Conn) (remediations.Presence, error)
	// act makes the change, once. Its words are for people.
	act(ctx context.Context, t *try) (string, error)
}

// decode reads the settings of a step. Nothing that is unknown, missing or out of its bounds passes.
func decode(s remediations.Step) (work, error) {
	var w work
	var err error
	switch s.Fix {
	case FixEndConflict, FixEndLeaked, FixEndBlocker:
		var p endParams
		if err = strictly(s.Params, &p); err == nil {
			err = p.check(s.Fix)
		}
		w = ending{fix: s.Fix, endParams: p}
	case FixRestartStream:
		var p streamParams
		if err = strictly(s.Params, &p); err == nil {
			err = p.check()
		}
		w = restarting{p}
	case FixResumeReplay:
		var p replayParams
		if err = strictly(s.Params, &p); err == nil {
			err = p.check()
		}
		w = resuming{p}
	default:
		return nil, fmt.Errorf("there is no fix %.40q", s.Fix)
	}
	if err == nil && (s.Cluster == "" || s.Place() == "") {
		err = errors.New("the step does not name a node of a cluster")
	}
	if err != nil {
		return nil, fmt.Errorf("read params: %w", err)
	}
	return w, nil
}

func strictly(text json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows them")
	}
	return exact(json.NewDecoder(bytes.NewReader(text)))
}

// exact refuses a key that is there twice, or that is only known if its case is not looked at. The text has been decoded before.
func exact(d *json.Decoder) error {
	token, err := d.Token()
	opened, nests := token.(json.Delim)
	if err != nil || !nests {
		return err
	}
	seen := map[json.Token]bool{}
	for d.More() {
		if opened == '{' {
			key, err := d.Token()
			name, _ := key.(string)
			if err != nil || seen[key] || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
				return fmt.Errorf("key %.40q is unknown, or there twice", name)
			}
			seen[key] = true
		}
		if err := exact(d); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// session is one backend with one transaction.
type session struct {
	PID          int       `json:"pid"`
	BackendStart time.Time `json:"backend_start"`
	XactStart    time.Time `json:"xact_start"`
	User         string    `json:"user"`
}

// endParams say which sessions are to be ended.
type endParams struct {
	SystemIdentifier string    `json:"system_identifier"`
	Sessions         []session `json:"sessions"`
	// Roles are those whose sessions may be ended at all.
	Roles []string `json:"roles"`
	Max   int      `json:"max"`
	// Standby says what the server must be. Not given: a standby for end_conflict, the primary otherwise.
	Standby *bool `json:"standby,omitempty"`
	// CancelFirst: of sessions that run a statement, the statement is cancelled; only if Terminate says so, those that this does not free are
	// ended. It is for end_blocker and end_conflict. Without it end_blocker leaves sessions alone that run a statement, and Terminate says
	// nothing.
	CancelFirst bool `json:"cancel_first,omitempty"`
	Terminate   bool `json:"terminate,omitempty"`
}

func (p endParams) onStandby(fix string) bool {
	if p.Standby != nil {
		return *p.Standby
	}
	return fix == FixEndConflict
}

func (p endParams) check(fix string) error {
	switch {
	case !isIdentifier(p.SystemIdentifier):
		return errIdentifier
	case p.Max < 1 || p.Max > MaxSessions:
		return fmt.Errorf("max is %d, not 1 to %d", p.Max, MaxSessions)
	case len(p.Sessions) == 0 || len(p.Sessions) > p.Max:
		return fmt.Errorf("sessions are %d, not 1 to max, which is %d", len(p.Sessions), p.Max)
	case len(p.Roles) == 0 || len(p.Roles) > maxRoles:
		return fmt.Errorf("roles are %d, not 1 to %d: nobody's sessions may be ended", len(p.Roles), maxRoles)
	case slices.ContainsFunc(p.Roles, func(r string) bool { return !isName(r) }):
		return errors.New("roles holds what is no name")
	case fix == FixEndConflict && !p.onStandby(fix):
		return errors.New("standby is false, and there is no conflict with replay but on a standby")
	case fix == FixEndLeaked && p.CancelFirst:
		return errors.New("cancel_first is set, and cancelling does nothing to a session that runs no statement")
	}
	seen := map[int]bool{}
	for _, s := range p.Sessions {
		switch {
		case !isPID(s.PID):
			return fmt.Errorf("pid %d is none", s.PID)
		case seen[s.PID]:
			return fmt.Errorf("pid %d is there twice", s.PID)
		case !isStamp(s.BackendStart) || !isStamp(s.XactStart):
			return fmt.Errorf("backend_start or xact_start of pid %d is missing, or finer than a microsecond", s.PID)
		case !isName(s.User):
			return fmt.Errorf("user of pid %d is no name", s.PID)
		}
		seen[s.PID] = true
	}
	return nil
}

// streamParams say which walsender is to be ended.
type streamParams struct {
	SystemIdentifier string    `json:"system_identifier"`
	PID              int       `json:"pid"`
	BackendStart     time.Time `json:"backend_start"`
	ApplicationName  string    `json:"application_name"`
	// Standby is the node whose walsender it is, for people.
	Standby string `json:"standby"`
}

func (p streamParams) check() error {
	switch {
	case !isIdentifier(p.SystemIdentifier):
		return errIdentifier
	case !isPID(p.PID):
		return fmt.Errorf("pid %d is none", p.PID)
	case !isStamp(p.BackendStart):
		return errors.New("backend_start is missing, or finer than a microsecond")
	case !isName(p.ApplicationName):
		return errors.New("application_name is none")
	case !isName(p.Standby):
		return errors.New("standby is no name")
	}
	return nil
}

// replayParams say how a paused standby must be to be resumed.
type replayParams struct {
	SystemIdentifier string `json:"system_identifier"`
	ReplayLSN        string `json:"replay_lsn"`
	// Settings are the primary's; none here may be lower.
	Settings map[string]int64 `json:"settings"`
}

// comparedSettings are those that a standby must not have lower than its primary: PostgreSQL 14 pauses replay if one is, and stops the
// server if that replay is resumed.
func comparedSettings() []string {
	return []string{"max_connections", "max_locks_per_transaction", "max_prepared_transactions", "max_wal_senders", "max_worker_processes"}
}

func (p replayParams) check() error {
	switch {
	case !isIdentifier(p.SystemIdentifier):
		return errIdentifier
	case !isLSN(p.ReplayLSN):
		return fmt.Errorf("replay_lsn %.40q is no place in the WAL", p.ReplayLSN)
	case len(p.Settings) != len(comparedSettings()):
		return fmt.Errorf("settings are %d, not these: %s", len(p.Settings), strings.Join(comparedSettings(), ", "))
	}
	for _, name := range comparedSettings() {
		if v, known := p.Settings[name]; !known || v < 0 || v > math.MaxInt32 {
			return fmt.Errorf("settings: %s is missing or no such setting's value", name)
		}
	}
	return nil
}

const maxRoles = 100

var errIdentifier = errors.New("system_identifier is missing or no number")

func isIdentifier(s string) bool {
	n, err := strconv.ParseUint(s, 10, 64)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

func isPID(pid int) bool { return pid > 0 && pid <= math.MaxInt32 }

// isStamp: servers keep microseconds, and what is finer would never be equal.
func isStamp(t time.Time) bool {
	return t.Year() >= 1970 && t.Nanosecond()%int(time.Microsecond) == 0
}

func isName(s string) bool { return s != "" && len(s) <= longestName && !strings.ContainsRune(s, 0) }

// longestName is what PostgreSQL keeps of a name.
const longestName = 63

// isLSN: a place in the WAL is two hexadecimal numbers, as in 16/B374D848.
func isLSN(s string) bool {
	isHex := func(s string) bool {
		return len(s) >= 1 && len(s) <= 8 && strings.Trim(s, "0123456789ABCDEF") == ""
	}
	high, low, both := strings.Cut(s, "/")
	return both && isHex(high) && isHex(low)
}
