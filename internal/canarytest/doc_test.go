// Package canarytest plants a secret of its own in every place of a policy that may hold one, runs the real binary through good days and bad
// ones, and looks for each of them everywhere: in what was printed and logged, in metrics and answers, on the disk, in the archive, and in what
// others were sent.
//
//	policies of testdata ── ${CANARY_…} ──▶ canaries, random          (planted_test.go holds that no field of the policy is without one)
//	        │
//	        ▼
//	the binary, beside counterparts that do what they should, refuse, or say back whatever they hear
//	        │
//	        ▼
//	everything that came out ──▶ found plain, in base64, in hex? ──▶ where it belongs (allowed_test.go), or a failure
//
// A half of a canary is enough, so that one that was cut off is found. The text of URLs, of JSON and of HTML has the letters and digits of
// a canary as they are.
//
// # What is not promised
//
// What is compressed is opened where it is known to be (backups). What is encrypted is not: what goes over TLS is looked at where it arrives.
package canarytest
