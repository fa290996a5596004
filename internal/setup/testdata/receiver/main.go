// Command receiver stands for Logstash in a test: it wants a certificate of the
// authority, and writes what arrives, a line of JSON for each event.
// Arguments: ADDRESS, the authority's file, certificate, key.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log"
	"os"

	"github.com/elastic/go-lumber/server/v2"
)

func main() {
	ca, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(os.Args[3], os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	s, err := v2.ListenAndServe(os.Args[1], v2.TLS(&tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}))
	if err != nil {
		log.Fatal(err)
	}
	out := json.NewEncoder(os.Stdout)
	for batch := range s.ReceiveChan() {
		for _, event := range batch.Events {
			if err := out.Encode(event); err != nil {
				log.Fatal(err)
			}
		}
		batch.ACK()
	}
}
