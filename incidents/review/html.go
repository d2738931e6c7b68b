package review

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

// page is what the template is given.
type page struct {
	Document
	Style template.CSS
	// Policy lets a browser use the one style above and nothing else: no script, no picture, no address.
	Policy string
}

// Head is the document's head, as names and values.
func (p page) Head() [][]string { return p.facts() }

// Picture is the incident over time.
func (p page) Picture() picture { return p.picture }

// Nobody says why nobody agreed to anything.
func (p page) Nobody() string { return p.nobody() }

// Blanks are what only people know.
func (p page) Blanks() []string { return blanks() }

// HTML writes the document as one page that needs nothing else: no script, no font, no file. Its pictures fit any width.
func (d Document) HTML(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"stamp":      stamp,
		"iso":        func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"signed":     Span.signed,
		"kind":       func(kind string) string { return strings.ReplaceAll(kind, "_", " ") },
		"changeRows": Change.rows,
		"alertRows":  Alert.rows,
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	style := strings.TrimSpace(styleText)
	sum := sha256.Sum256([]byte(style))
	p := page{Document: d, Style: template.CSS(style), //nolint:gosec // it is a file of this program
		Policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// JSON writes the document as one object, for other programs.
func (d Document) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(d)
}

// laneHeight is one row of the picture: its label and its bars.
const laneHeight = 38

// Foot is where the time axis is, Height how high the picture is.
func (p picture) Foot() int   { return len(p.Lanes)*laneHeight + 4 }
func (p picture) Height() int { return p.Foot() + 20 }

// LabelY and BarY are where a row's label and its bars are.
func (p picture) LabelY(i int) int { return i*laneHeight + 14 }
func (p picture) BarY(i int) int   { return i*laneHeight + 20 }
