package alerts

import "bytes"

// CountRecord is how many alerts a message holds. It reads none of them, so that damaged ones count as well.
func CountRecord(b []byte) int {
	n := 0
	for line := range bytes.Lines(b) {
		if !bytes.HasPrefix(line, []byte(headerMark)) && len(bytes.TrimSpace(line)) > 0 {
			n++
		}
	}
	return n
}
