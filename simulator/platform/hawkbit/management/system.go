package management

import "net/http"

func (s *Store) systemRoutes() map[string]handler {
	return map[string]handler{
		"GET userinfo":             s.showUser,
		"GET system/configs":       s.listConfig,
		"GET system/configs/{key}": s.showConfig,
		"PUT system/configs/{key}": s.setConfig,
	}
}

func (s *Store) showUser(r *request) (int, any, error) {
	user, _, _ := r.BasicAuth()
	return http.StatusOK, map[string]string{"tenant": "DEFAULT", "username": user}, nil
}

func (s *Store) listConfig(*request) (int, any, error) {
	all := map[string]any{}
	for key, value := range s.config {
		all[key] = map[string]any{"value": value, "global": false}
	}
	return http.StatusOK, all, nil
}

func (s *Store) showConfig(r *request) (int, any, error) {
	value, known := s.config[r.PathValue("key")]
	if !known {
		return 0, nil, problem(http.StatusForbidden, "InvalidTenantConfigurationKeyException", "configKeyInvalid",
			"the configuration %.80q is not known here", r.PathValue("key"))
	}
	return http.StatusOK, map[string]any{"value": value, "global": false}, nil
}

func (s *Store) setConfig(r *request) (int, any, error) {
	if _, _, err := s.showConfig(r); err != nil {
		return 0, nil, err
	}
	var b struct {
		Value *bool `json:"value"`
	}
	if err := r.decode(&b); err != nil {
		return 0, nil, err
	}
	if b.Value == nil || r.PathValue("key") == pollingTime {
		return 0, nil, badRequest("want a value of true or false, and not of %s", pollingTime)
	}
	s.config[r.PathValue("key")] = *b.Value
	return s.showConfig(r)
}
