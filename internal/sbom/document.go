package main

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// made is a program as it was read.
type made struct {
	name, version string
	// sum is the SHA-256 of its file, in hexadecimal.
	sum  string
	at   time.Time
	info *buildinfo.BuildInfo
}

// write prints the document. It is the same for the same program, version and time: no number in it is drawn by chance.
func write(w io.Writer, m made) error {
	program := cdx.Component{BOMRef: purl(m.info.Main.Path, m.version), Type: cdx.ComponentTypeApplication, Name: m.name, Version: m.version,
		PackageURL: purl(m.info.Main.Path, m.version), Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: m.sum}},
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}, Properties: settings(m.info.Settings)}
	parts := []cdx.Component{library("std", strings.TrimPrefix(m.info.GoVersion, "go"), "")}
	for _, d := range m.info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		parts = append(parts, library(d.Path, d.Version, d.Sum))
	}
	refs := make([]string, len(parts))
	for i, p := range parts {
		refs[i] = p.BOMRef
	}
	bom := cdx.NewBOM()
	bom.SerialNumber = serial(m.sum)
	bom.Metadata = &cdx.Metadata{Timestamp: m.at.Format(time.RFC3339), Component: &program}
	bom.Components = &parts
	bom.Dependencies = &[]cdx.Dependency{{Ref: program.BOMRef, Dependencies: &refs}}
	if err := cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("write the parts of %s: %w", m.name, err)
	}
	return nil
}

// library is one module that is in the program. Its sum is go.sum's, of the module's files and not of an archive, so it is no hash of CycloneDX's.
func library(path, version, sum string) cdx.Component {
	c := cdx.Component{BOMRef: purl(path, version), Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: purl(path, version),
		Scope: cdx.ScopeRequired}
	if sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go:sum", Value: sum}}
	}
	return c
}

// purl names a module for those who look vulnerabilities up.
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

// settings are those flags of the build that say what the program is.
func settings(all []debug.BuildSetting) *[]cdx.Property {
	var list []cdx.Property
	for _, s := range all {
		switch s.Key {
		case "CGO_ENABLED", "GOOS", "GOARCH", "-trimpath", "-ldflags":
			list = append(list, cdx.Property{Name: "go:build:" + s.Key, Value: s.Value})
		}
	}
	return &list
}

// serial is a UUID (of version 8, which is free) that the program's sum makes.
func serial(sum string) string {
	return fmt.Sprintf("urn:uuid:%s-%s-8%s-8%s-%s", sum[0:8], sum[8:12], sum[13:16], sum[17:20], sum[20:32])
}
