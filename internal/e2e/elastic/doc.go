// Package elastic holds the tests of output.elasticsearch, and of the files for
// the server, against real nodes (package esnode): the binary on the one side, a
// server on a JVM on the other, kills on both.
//
// They take minutes and several hundred MB, so "go test ./..." passes them over:
// "make test-elasticsearch" runs them, by ELASTIC=1.
package elastic
