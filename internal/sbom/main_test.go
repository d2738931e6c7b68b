package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// A program's parts are read from itself: here from this test, which has the library in it.
func TestParts(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-version", "v1.2.3+x", "-time", "1769860800", self}
	var first, second bytes.Buffer
	if err := run(args, &first); err != nil {
		t.Fatal(err)
	}
	if err := run(args, &second); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Error("the same program is described in two ways")
	}
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(&first, cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range *bom.Components {
		found[c.PackageURL] = true
	}
	if !found["pkg:golang/std@"+strings.TrimPrefix(runtime.Version(), "go")] {
		t.Errorf("the standard library is not among %v", found)
	}
	if program := bom.Metadata.Component; program.Version != "v1.2.3+x" || !strings.HasSuffix(program.PackageURL, "@v1.2.3%2Bx") || len(*program.Hashes) != 1 {
		t.Errorf("the program is %+v", program)
	}
	if bom.Metadata.Timestamp != "2026-01-31T12:00:00Z" || bom.SpecVersion != cdx.SpecVersion1_6 {
		t.Errorf("made at %s, by version %s", bom.Metadata.Timestamp, bom.SpecVersion)
	}
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(bom.SerialNumber) {
		t.Errorf("the serial number %q is no UUID", bom.SerialNumber)
	}
	if !json.Valid(second.Bytes()) {
		t.Error("it is not JSON")
	}
}

// What is no Go program, or is not named, is an error.
func TestNoProgram(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"-version", "v1"}, {"-version", "v1", "main.go"}, {"-version", "v1", "nothing"}, {"main.go"}} {
		var out bytes.Buffer
		if err := run(args, &out); err == nil || out.Len() > 0 {
			t.Errorf("%v: got %v and %d bytes, want an error", args, err, out.Len())
		}
	}
}
