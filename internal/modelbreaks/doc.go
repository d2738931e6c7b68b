// Package modelbreaks breaks the kernel by hand, one line at a time, and expects the model test to notice. A test that no break
// makes fail proves nothing. No file is changed: the compiler is told to read the broken text in place of the file.
package modelbreaks
