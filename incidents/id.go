package incidents

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ID names an incident: <handler>-<target's hash>-<number>, e.g. retrystorm-3f9a2c81b04d-7: the seventh of its target.
type ID string

// ErrBadID says that a text is not the name of an incident.
var ErrBadID = errors.New("not an incident's id; they look like retrystorm-3f9a2c81b04d-7")

// String is the id as people type it.
func (id ID) String() string { return string(id) }

// NewID names the n-th incident of a handler's target. n counts from 1.
func NewID(handler, target string, n int) ID {
	return ID(handler + "-" + targetHash(handler, target) + "-" + strconv.Itoa(n))
}

// targetHash stands for a target's name wherever only a token fits: a name can be any UTF-8.
func targetHash(handler, target string) string {
	sum := sha256.Sum256([]byte(handler + "\x00" + target))
	return hex.EncodeToString(sum[:6])
}

// ParseID reads an id that a person or a subject gave. It is asked for every step of every incident, so it is not a regular expression.
func ParseID(s string) (ID, error) {
	handler, rest, _ := strings.Cut(s, "-")
	hash, number, _ := strings.Cut(rest, "-")
	const digits, hexDigits, letters = "0123456789", "0123456789abcdef", "abcdefghijklmnopqrstuvwxyz0123456789_"
	if !only(handler, letters, 1, len(s)) || !only(hash, hexDigits, 12, 12) || !only(number, digits, 1, 9) || number[0] == '0' {
		return "", fmt.Errorf("%q: %w", s, ErrBadID)
	}
	return ID(s), nil
}

// only says whether s has so many bytes, all of them of a set.
func only(s, set string, least, most int) bool {
	return len(s) >= least && len(s) <= most && strings.Trim(s, set) == ""
}

// Number is which of its target's incidents it is, from 1.
func (id ID) Number() int {
	n, _ := strconv.Atoi(string(id)[strings.LastIndexByte(string(id), '-')+1:])
	return n
}

// Handler is the name of the handler that it belongs to.
func (id ID) Handler() string {
	h, _, _ := strings.Cut(string(id), "-")
	return h
}

// Key is the id as tokens, as the agenda and the subject use it.
func (id ID) Key() string { return strings.ReplaceAll(string(id), "-", ".") }

// KeyPrefix is what the keys of all incidents of a handler's target begin with.
func KeyPrefix(handler, target string) string {
	return handler + "." + targetHash(handler, target) + "."
}

// IDOfKey is the id of a [ID.Key].
func IDOfKey(key string) (ID, error) {
	id, err := ParseID(strings.ReplaceAll(key, ".", "-"))
	if err != nil || id.Key() != key {
		return "", fmt.Errorf("%q: %w", key, ErrBadID)
	}
	return id, nil
}

const subjectPrefix = "incidents."

func (id ID) subject() string { return subjectPrefix + id.Key() }
