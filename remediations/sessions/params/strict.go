package params

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// longest is how many bytes settings may be: as many sessions as may be named, with names as long as they may be.
const longest = 512 << 10

// strictly reads settings that have exactly these keys, each once. Nothing that is unknown passes.
func strictly(text json.RawMessage, into any, keys ...string) error {
	if len(text) > longest {
		return fmt.Errorf("they are %d bytes, at most %d", len(text), longest)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows them")
	}
	found, err := exact(json.NewDecoder(bytes.NewReader(text)), false)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if !found[key] {
			return fmt.Errorf("%s is missing", key)
		}
	}
	return nil
}

// exact refuses a key that is there twice, or that is only known if its case is not looked at, and gives the keys of the outermost object.
// The keys of a version are names of nodes, which may be written in any way. The text has been decoded before.
func exact(d *json.Decoder, names bool) (map[string]bool, error) {
	token, err := d.Token()
	opened, nests := token.(json.Delim)
	if err != nil || !nests {
		return nil, err
	}
	found := map[string]bool{}
	for d.More() {
		key := ""
		if opened == '{' {
			token, err := d.Token()
			key, _ = token.(string)
			if err != nil || found[key] || (!names && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_") != "") {
				return nil, fmt.Errorf("key %.40q is unknown, or there twice", key)
			}
			found[key] = true
		}
		if _, err := exact(d, key == "version"); err != nil {
			return nil, err
		}
	}
	_, err = d.Token()
	return found, err
}
