package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"

	"otafleet/internal/files"
	"otafleet/simulator/fleet"
	"otafleet/simulator/real"
)

// logins reads what the chosen devices prove themselves by, each file once. Every file
// that cannot be used is named with the line of the device.
func logins(c *choice, anywhere bool) (map[string]real.Login, error) {
	file := c.scenario.DeviceFile()
	if file == nil {
		return nil, nil
	}
	r, err := newLoginReader(filepath.Dir(file.Name), anywhere)
	if err != nil {
		return nil, err
	}
	defer r.close()
	all, mistakes := map[string]real.Login{}, file.Mistakes()
	c.each(func(i, n int) {
		d := c.scenario.Fleets[i].Listed(n)
		if d.Login == nil {
			return
		}
		login, column, err := r.read(d.Login)
		if err != nil {
			mistakes.Addf(d.Line, 0, column, "%s", err)
		}
		all[d.Key] = login
	})
	if err := mistakes.Err(); err != nil {
		return nil, fmt.Errorf("the device file names what cannot be used:\n%w", err)
	}
	return all, nil
}

// loginReader reads the files that a device file names, relative to its directory.
type loginReader struct {
	dir      string
	root     *os.Root // nil if the files may be anywhere
	secrets  map[string][]byte
	identity map[[2]string]*tls.Certificate
}

// newLoginReader reads files in a directory and below, or, for a device file that the
// user named, anywhere.
func newLoginReader(dir string, anywhere bool) (*loginReader, error) {
	r := &loginReader{dir: dir, secrets: map[string][]byte{}, identity: map[[2]string]*tls.Certificate{}}
	if anywhere {
		return r, nil
	}
	var err error
	if r.root, err = os.OpenRoot(dir); err != nil {
		return nil, fmt.Errorf("cannot read the files of the devices: %w", err)
	}
	return r, nil
}

func (r *loginReader) close() {
	if r.root != nil {
		_ = r.root.Close() // it was read only
	}
}

// read makes a login whole. The column says what an error is about.
func (r *loginReader) read(l *fleet.Login) (login real.Login, column string, err error) {
	login.Username = l.Username
	if login.Password, err = r.secret(l.Password, l.PasswordFile); err != nil {
		return login, "password_file", err
	}
	if login.Token, err = r.secret(l.Token, l.TokenFile); err != nil {
		return login, "token_file", err
	}
	if l.CertFile != "" {
		login.Certificate, err = r.certificate(l.CertFile, l.KeyFile)
	}
	return login, "cert_file", err
}

// secret is what a line says itself, or a file that it names; nil for neither.
func (r *loginReader) secret(text, path string) ([]byte, error) {
	if path == "" {
		if text == "" {
			return nil, nil
		}
		return []byte(text), nil
	}
	if known := r.secrets[path]; known != nil {
		return known, nil
	}
	secret, err := r.file(path)
	if err != nil {
		return nil, err
	}
	secret = bytes.TrimRight(secret, "\r\n")
	if len(secret) == 0 {
		return nil, fmt.Errorf("%s is empty; want the secret alone", path)
	}
	r.secrets[path] = secret
	return secret, nil
}

func (r *loginReader) certificate(certPath, keyPath string) (*tls.Certificate, error) {
	pair := [2]string{certPath, keyPath}
	if known := r.identity[pair]; known != nil {
		return known, nil
	}
	cert, err := r.file(certPath)
	if err != nil {
		return nil, err
	}
	key, err := r.file(keyPath)
	if err != nil {
		return nil, err
	}
	both, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are no pair of a certificate and its key in PEM: %w", certPath, keyPath, err)
	}
	both.Leaf = nil // a session parses it again; a fleet would keep it for nothing
	r.identity[pair] = &both
	return &both, nil
}

func (r *loginReader) file(path string) ([]byte, error) {
	if r.root != nil {
		return files.ReadIn(r.root, path, maxKeyFile)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	return files.Read(path, maxKeyFile)
}
