package alerts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Deliveries are kept on the bus as lines of JSON. A message holds one or more deliveries; each is one header
// line and then its alerts, one a line, as Parse returned them:
//
//	{"v":1,"n":2,"d":{"at":"2026-11-22T19:38:35.6Z","source":"webhook","receiver":"web"}}
//	{"status":"firing","labels":{"alertname":"PoolExhausted"}, …}
//	{"status":"resolved","labels":{"alertname":"PoolExhausted"}, …}
//
// Every line ends with a newline, so that messages are joined by appending. A header begins with headerMark in
// every version, and no alert does, so that a reader finds the next delivery behind a damaged line.
const (
	recordVersion = 1
	headerMark    = `{"v":`
)

// maxLineErrors bounds how many damaged lines one error lists.
const maxLineErrors = 32

// LineError is one damaged line of a record.
type LineError struct {
	// Line counts from 1.
	Line int
	Err  error
}

// Error names the line and what is wrong with it.
func (e *LineError) Error() string { return fmt.Sprintf("record line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// VersionError means that a newer release wrote a delivery, whose alerts this one must not guess at.
type VersionError struct {
	// Version is what the header says.
	Version int
}

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("record version %d is newer than %d, the newest known here", e.Version, recordVersion)
}

// AppendRecord appends one delivery and its alerts to dst and returns the extended slice. The raws are those of
// Parse; nothing checks them again. A time of delivery outside the years 0 to 9999 is written as zero.
func AppendRecord(dst []byte, d Delivery, raws []Raw) []byte {
	delivery, err := json.Marshal(d)
	if err != nil {
		d.At = time.Time{}
		delivery, _ = json.Marshal(d)
	}
	dst = append(dst, headerMark...)
	dst = strconv.AppendInt(dst, recordVersion, 10)
	dst = append(dst, `,"n":`...)
	dst = strconv.AppendInt(dst, int64(len(raws)), 10)
	dst = append(dst, `,"d":`...)
	dst = append(dst, delivery...)
	dst = append(dst, '}', '\n')
	for _, raw := range raws {
		dst = append(dst, raw...)
		dst = append(dst, '\n')
	}
	return dst
}

// ReadRecord calls each for every readable alert of a message, with its Delivery. The index i counts alert
// lines from 0 and counts damaged ones too, so that it is stable.
//
// A damaged line does not end the reading: all of them are returned at the end, joined, each a *LineError
// (the first 32, and then how many more). Alerts whose header is damaged are damaged as well, since nobody
// knows when they came; the alerts below a header of a newer version are skipped under one *VersionError. An
// error of each ends the reading and is joined to the rest.
func ReadRecord(b []byte, each func(i int, a Alert) error) error {
	r := recordReader{each: each}
	for no := 1; len(b) > 0; no++ {
		var text []byte
		text, b, _ = bytes.Cut(b, []byte("\n"))
		if bytes.HasPrefix(text, []byte(headerMark)) {
			r.closeDelivery()
			r.header(no, text)
			continue
		}
		if err := r.alert(no, text); err != nil {
			return r.joined(err)
		}
	}
	r.closeDelivery()
	return r.joined(nil)
}

// recordReader is the state between two lines of a record.
type recordReader struct {
	each func(int, Alert) error
	next int // The index of the next alert line.

	delivery Delivery
	line     int  // The line of the delivery's header.
	open     bool // A header was read.
	skip     bool // The header is of a newer version.
	left     int  // How many alert lines the header still promises.

	errs []error
	more int // How many errors were not kept.
}

// joined returns every error so far and the last one, which may be nil.
func (r *recordReader) joined(last error) error {
	if r.more > 0 {
		r.errs = append(r.errs, fmt.Errorf("%d more damaged lines", r.more))
	}
	return errors.Join(append(r.errs, last)...)
}

// damaged records that a line cannot be used.
func (r *recordReader) damaged(line int, err error) {
	if len(r.errs) >= maxLineErrors {
		r.more++
		return
	}
	r.errs = append(r.errs, &LineError{Line: line, Err: err})
}

// header begins a delivery.
func (r *recordReader) header(no int, text []byte) {
	r.delivery, r.line, r.open, r.skip, r.left = Delivery{}, no, false, false, 0
	var h struct {
		V int             `json:"v"`
		N int             `json:"n"`
		D json.RawMessage `json:"d"`
	}
	if err := json.Unmarshal(text, &h); err != nil {
		r.damaged(no, fmt.Errorf("read header: %w", err))
		return
	}
	if h.V > recordVersion {
		r.skip = true
		r.damaged(no, &VersionError{Version: h.V})
		return
	}
	if h.V < 1 || h.N < 0 {
		r.damaged(no, fmt.Errorf("read header: version %d with %d alerts", h.V, h.N))
		return
	}
	if err := json.Unmarshal(h.D, &r.delivery); err != nil {
		r.damaged(no, fmt.Errorf("read delivery: %w", err))
		return
	}
	r.open, r.left = true, h.N
}

// alert reads one alert line. It returns only what each returned.
func (r *recordReader) alert(no int, text []byte) error {
	i := r.next
	r.next++
	if r.skip {
		return nil
	}
	if !r.open || r.left == 0 {
		r.damaged(no, errors.New("an alert without a delivery"))
		return nil
	}
	r.left--
	a, err := Raw(text).Decode()
	if err != nil {
		r.damaged(no, fmt.Errorf("read alert: %w", err))
		return nil
	}
	a.Delivery = r.delivery
	return r.each(i, a)
}

// closeDelivery notes alerts that a header promised and that did not come.
func (r *recordReader) closeDelivery() {
	if r.open && r.left > 0 {
		r.damaged(r.line, fmt.Errorf("%d alerts of this delivery are missing", r.left))
	}
	r.open = false
}
