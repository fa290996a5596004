// Package pki makes and reads the certificates of a plant: its own certificate
// authority, and what that has signed for broker, Logstash, gateways and VPN.
//
// # Nouns
//
//   - folder: where the certificates lie, mode 700, by default DefaultDir. NAME.crt
//     is a certificate, NAME.key its private key. ca.crt and ca.key are the
//     authority's, ca.crl is its list of revoked certificates, once there are any.
//   - Authority: what ca.crt, ca.key and ca.crl say. Without ca.key it reads and
//     checks, and issues nothing.
//   - Pair: a certificate with its private key.
//   - Use: what a certificate is good for: server, client, or both.
//   - host: a name or an address by which clients reach a server.
//   - Bundle: the authority's certificate with one Pair in one file, to carry to
//     another machine.
//
// # Rules
//
//   - Keys that are made here are EC P-256: the ESP8266 checks such a signature in
//     a second, and RSA of the same strength in many. Files of keys are PKCS#8 in
//     PEM, the only form that Logstash reads. What is only read may also have RSA
//     or Ed25519 keys, and be PKCS#1 or SEC 1, as openssl's older commands write.
//   - A host that is an address is in the certificate twice: as iPAddress, which
//     Go, OpenSSL and Java look at, and as a dNSName of the same text, since
//     BearSSL, the ESP8266's library, looks at nothing else. (RFC 5280, 4.2.1.6,
//     has dNSName for names only; all four take it.)
//   - Certificates begin at Begin, not when they are made. A Pi has no clock that
//     runs without power; until NTP answers it may be years behind, and would
//     refuse a certificate "not yet valid".
//   - The authority is valid for CADays: devices have it in their flash, and
//     another means to flash them all. Certificates are valid for DefaultDays. On a
//     plant nobody renews in time, and what then stands still is the data. Expiry
//     would only help against a key that was stolen unnoticed; a known theft is a
//     case for Revoke.
//   - Nothing is issued at a clock that is certainly wrong: before Begin, before
//     the program was built, before the last change of ca.crt, or outside the
//     authority's validity.
//   - A list of revoked certificates is valid as long as the authority: Mosquitto
//     and OpenVPN refuse everyone once it has expired.
//   - Serial numbers are 128 random bits.
//
// # Guarantees
//
//   - No function prints, and no error contains a part of a key.
//   - No function but Create writes a file: internal/setup does, by its steps.
//   - Files of foreign bytes are read up to 1 MiB, and never panic.
package pki
